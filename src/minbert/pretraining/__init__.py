"""Masked-LM pretraining: recipe, texts, loop, run."""
