"""One encoder for several text tasks at once.

What is named here is imported when it is first asked for: importing ``minbert`` alone loads nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minbert.comparing.compare import compare
    from minbert.errors import UserError
    from minbert.multitask.model import MultitaskModel
    from minbert.recipe.recipe import load_recipe
    from minbert.running.evaluating import evaluate_run
    from minbert.running.run import train_recipe
    from minbert.schema_inference.infer import infer_folder

__all__ = ["MultitaskModel", "UserError", "compare", "evaluate_run", "infer_folder", "load_recipe", "train_recipe"]

_HOMES = {
    "MultitaskModel": "minbert.multitask.model",
    "UserError": "minbert.errors",
    "compare": "minbert.comparing.compare",
    "evaluate_run": "minbert.running.evaluating",
    "infer_folder": "minbert.schema_inference.infer",
    "load_recipe": "minbert.recipe.recipe",
    "train_recipe": "minbert.running.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'minbert' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
