"""Shared layers: what all tasks have in common above the encoder. One file each; see ``base``."""

from minbert.methods import import_members
from minbert.multitask.shared_layers.base import SharedLayer, SharedLayerModule

import_members(__name__, __path__)

__all__ = ["SharedLayer", "SharedLayerModule"]
