"""Runs of a few steps, for what comes after training."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from minbert.display.progress import Display
from minbert.recipe.recipe import parse_recipe
from minbert.running.run import train_recipe


def trained(tree: dict[str, Any], out: Path, display: Display, **changes: Any) -> Path:
    """Take a few steps by the recipe with changes; return the run's folder."""
    tree = {**copy.deepcopy(tree), **changes}
    tree["training"] = {
        "epochs": 1,
        "head_start": "random",
        "precision": "fp32",
        "select": "mood" if "mood" in tree["tasks"] else "overall",
    }
    tree["schedule"] = {"method": {"name": "round_robin", "epoch": 2}, "batch_size": 4}
    train_recipe(parse_recipe(tree, "test"), out, False, display)
    return out
