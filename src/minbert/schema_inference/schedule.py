"""How many rows a batch and how many epochs fit the number of rows."""

from __future__ import annotations

from collections.abc import Sequence

from minbert.recipe.recipe import TaskRecipe
from minbert.schema_inference.found import Findings, InferredTask

_BATCHES = (32, 16, 8)
_LEAST_STEPS = 300
"""Fewer steps do not move an encoder far enough from its heads' start."""
_MOST_ROWS = 100_000
"""Beyond, an epoch alone is thousands of steps."""


def choose_schedule(tasks: Sequence[InferredTask], training: Findings) -> None:
    """Set each task's ``batch_size``, and the number of epochs."""
    most = max(task.rows["train"] for task in tasks)
    steps = 1
    for task in tasks:
        rows = task.rows["train"]
        wanted = _BATCHES[0] * rows / most
        batch = next((size for size in _BATCHES if size <= 1.2 * wanted), _BATCHES[-1])
        reason = f"{rows:,} rows beside {most:,}, and a batch of each a step" if batch < _BATCHES[0] else ""
        task.findings.set("batch_size", batch, reason)
        steps = max(steps, -(-rows // batch))
        if len(tasks) > 1:
            weight = TaskRecipe.model_validate(task.findings.settings).weight
            task.findings.set("weight", weight, "" if weight == 1 else "so that no task's gradient drowns another's")
    epochs = 1 if most > _MOST_ROWS else min(10, max(3, -(-_LEAST_STEPS // steps)))
    training.set("epochs", epochs, f"{steps:,} steps each")
