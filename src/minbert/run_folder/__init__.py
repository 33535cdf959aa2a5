"""A run's folder: what is in it, and its card."""
