"""Losses: from head output and labels to a number. One file each; see ``base.Loss``."""

from minbert.methods import import_members
from minbert.tasks.losses.base import Loss

import_members(__name__, __path__)

__all__ = ["Loss"]
