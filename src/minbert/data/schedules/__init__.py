"""Schedules: which rows of which tasks make a step. One member of the family a file."""

from minbert.data.schedules.base import Schedule, Step, TaskSize
from minbert.methods import import_members

__all__ = ["Schedule", "Step", "TaskSize"]

import_members(__name__, __path__)
