"""Combinations: how the tasks' losses and gradients become one step. One file each; see ``base``."""

from minbert.methods import import_members
from minbert.multitask.combination.base import Combination, Combiner, Surgeon, Weigher

import_members(__name__, __path__)

__all__ = ["Combination", "Combiner", "Surgeon", "Weigher"]
