"""A run from recipe to predictions."""
