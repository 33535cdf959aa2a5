"""Kinds of task: what a label is, and all that follows from it. One file each; see ``base.Kind``."""

from minbert.methods import import_members
from minbert.tasks.kinds.base import Kind, Label, Typical

import_members(__name__, __path__)

KINDS: dict[str, type[Kind]] = {name: kind for name, kind in sorted(Kind.members.items()) if issubclass(kind, Kind)}
"""Every kind by its name."""

__all__ = ["KINDS", "Kind", "Label", "Typical"]
