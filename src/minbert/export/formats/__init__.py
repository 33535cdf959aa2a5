"""Formats that models are exported to. One file each; see ``base.Format``."""

from minbert.export.formats.base import Format
from minbert.methods import import_members

import_members(__name__, __path__)

__all__ = ["Format"]
