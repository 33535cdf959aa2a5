"""Heads: from sentence vectors to logits. One file each; see ``base.Head``."""

from minbert.methods import import_members
from minbert.tasks.heads.base import Head, HeadOutput, Pair

import_members(__name__, __path__)

__all__ = ["Head", "HeadOutput", "Pair"]
