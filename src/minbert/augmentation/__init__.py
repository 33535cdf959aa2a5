"""Augmentation: new rows made from rows. One member of the family a file."""

from minbert.augmentation.base import Augmentation, Augmenter
from minbert.methods import import_members

__all__ = ["Augmentation", "Augmenter"]

import_members(__name__, __path__)
