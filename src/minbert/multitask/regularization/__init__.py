"""Regularizations: what is added to a task's loss so that its predictions are smooth. One file each; see ``base``."""

from minbert.methods import import_members
from minbert.multitask.regularization.base import Penalty, Regularization, Regularizer
from minbert.multitask.regularization.passes import Passes, TwinPasses

import_members(__name__, __path__)

__all__ = ["Passes", "Penalty", "Regularization", "Regularizer", "TwinPasses"]
