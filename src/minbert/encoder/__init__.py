"""BERT from scratch: configuration, embeddings, attention, layers, pooling, and where weights come from and go to."""
