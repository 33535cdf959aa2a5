"""How many rows a batch and how many epochs fit the number of rows."""

from __future__ import annotations

from collections.abc import Sequence

from minbert.recipe.recipe import TaskRecipe
from minbert.schema_inference.few_rows import has_few_rows
from minbert.schema_inference.found import Findings, InferredTask

_BATCHES = (32, 16, 8)
_BATCHES_OF_FEW = ((32, 8), (128, 16))
"""Of at most so many rows, batches so large: a pass of them is four steps, and a batch still has rows of a class."""
_LEAST_EPOCHS, _MOST_EPOCHS = 2, 10
"""Heads start from the probe. After it, the first or second of four passes was the best; later ones overfitted."""
_LEAST_STEPS = 100
"""Of single texts, 63 steps (two passes) were still better than 31. The best evaluation is kept, so more cost time."""
_MOST_ROWS = 100_000
"""Beyond, an epoch alone is thousands of steps."""


def choose_schedule(tasks: Sequence[InferredTask], training: Findings) -> None:
    """Set each task's ``batch_size``, and the number of epochs."""
    most = max(task.labelled for task in tasks)
    few = all(map(has_few_rows, tasks))
    largest = next((batch for rows, batch in _BATCHES_OF_FEW if few and most <= rows), _BATCHES[0])
    steps = 1
    for task in tasks:
        rows = task.labelled
        wanted = largest * rows / most
        batch = next((size for size in _BATCHES if size <= 1.2 * wanted), _BATCHES[-1])
        reason = f"{rows:,} rows beside {most:,}, and a batch of each a step" if batch < largest else ""
        task.findings.set("batch_size", batch, reason)
        steps = max(steps, -(-rows // batch))
        if len(tasks) > 1:
            weight = TaskRecipe.model_validate(task.findings.settings).weight
            task.findings.set(
                "weight", weight, "" if weight == 1 else "so that no task's gradient is much larger than another's"
            )
    if few:
        told = "; the last model is kept" if "keep" in training.settings else "; dev is scored after each"
        training.set("epochs", _MOST_EPOCHS, f"{steps:,} steps each{told}")
        return
    epochs = 1 if most > _MOST_ROWS else min(_MOST_EPOCHS, max(_LEAST_EPOCHS, -(-_LEAST_STEPS // steps)))
    reason = f"{steps:,} steps each; dev is scored after each, and the best model is kept, be it that before training"
    training.set("epochs", epochs, reason)
