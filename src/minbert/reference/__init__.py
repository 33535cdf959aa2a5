"""Pages that write themselves from the code."""
