"""How the files of an encoder are called, on the hub and in a folder."""

from __future__ import annotations

CONFIG = "config.json"
SAFETENSORS = "model.safetensors"
PICKLE = "pytorch_model.bin"
INDEX = ".index.json"
"""How the name of a file ends that tells which of several files holds which tensor."""
WEIGHTS = (SAFETENSORS, f"{SAFETENSORS}{INDEX}", PICKLE, f"{PICKLE}{INDEX}")
"""Files that lead to a model's weights: one file, or the index of several; the first that is there is read."""
MODULES = "modules.json"
"""What a model of sentence-transformers is made of, and in which folders."""
TRANSFORMER = "0_Transformer"
"""The folder of its encoder, where that does not stand beside ``MODULES``."""
POOLING = "1_Pooling"
