"""The model of a run, which must be what the run's recipe describes."""

from __future__ import annotations

from pathlib import Path

from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import Recipe
from minbert.run_folder.folder import RECIPE


def model_of_run(folder: Path, recipe: Recipe) -> MultitaskModel:
    """Return the model of a run, on the CPU.

    The recipe says how files are read, and the model how they are answered: both must mean the same labels, in the same
    order.

    Raises:
        UserError: they do not, the model lacks a task, or its files are damaged.
    """
    model = MultitaskModel.from_pretrained(folder)
    for name, task in recipe.tasks.items():
        if name not in model.tasks:
            raise UserError(f"{folder}: {RECIPE} has a task '{name}', config.json has not. One of them was changed.")
        theirs = model.tasks[name]
        for ours, other in (
            (task.kind.described, theirs.kind.described),
            (f"pair: {task.pair}", f"pair: {theirs.pair}"),
        ):
            if ours != other:
                raise UserError(
                    f"{folder}: task '{name}' is '{ours}' in {RECIPE}, but '{other}' in config.json. "
                    "One of them was changed after training; change it back."
                )
    return model
