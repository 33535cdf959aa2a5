"""Families of encoders: what tells one from another. One file each; see ``base.Architecture``."""

from minbert.encoder.architectures.base import Architecture, architecture_of
from minbert.methods import import_members

import_members(__name__, __path__)

__all__ = ["Architecture", "architecture_of"]
