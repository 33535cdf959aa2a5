"""Encoders from scratch: families, embeddings, attention, layers, pooling, and where weights come from and go to."""
