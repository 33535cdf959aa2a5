"""What speaks to the Hugging Face hub, or to a server that speaks as it does (``HF_ENDPOINT``)."""
