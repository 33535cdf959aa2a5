"""Adapters: small trained weights inside the encoder's layers, shared or a task's own. One file each; see ``base``."""

from minbert.methods import import_members
from minbert.multitask.adapters.base import Adapter, Adapters

import_members(__name__, __path__)

__all__ = ["Adapter", "Adapters"]
