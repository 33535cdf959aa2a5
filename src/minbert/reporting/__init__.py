"""What a run or a comparison looks like on a page: figures, and the page around them."""
