"""What every run folder has, whatever was trained in it, and when a run may begin in one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from minbert.display.commands import command_line
from minbert.errors import UserError
from minbert.files.durable import remove
from minbert.files.outputs import is_vacant
from minbert.files.strict_yaml import read_yaml
from minbert.methods import Settings
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.run_folder.differences import told_differences
from minbert.training.checkpoint_folder import CHECKPOINTS
from minbert.training.loop import BEST

RECIPE = "recipe.yaml"
METRICS = "metrics.json"
PRETRAINING = "pretraining"
"""A folder within: the run of pretraining that came first, where a recipe asks for one."""
NEW_ROWS = "augmented"
"""The folder of the tables of new rows, where a recipe has augmentation."""
SOUP = "soup.json"
"""Where this is, the weights are the mean of other runs' (``minbert soup``), and no training can go on with them."""

BEST_OF = "best.json"
"""Where this is, the folder is one of a run's ``best/``: the model that was best for a task (or ``overall``)."""


def read_run(folder: Path) -> Recipe:
    """Return the recipe of a run folder.

    Raises:
        UserError: the folder is no run.
    """
    path = folder / RECIPE
    return parse_recipe(read_run_yaml(path), str(path))


def read_run_yaml(path: Path) -> Any:
    """Return the value that the recipe of a run folder holds.

    Raises:
        UserError: the folder has none, or it cannot be read.
    """
    if not path.is_file():
        raise UserError(f"{path.parent}: is no run folder (it has no {path.name}).")
    return read_yaml(path)


def check_run_folder(
    out: Path, recipe: Settings, resume: bool, *, command: str, read: Callable[[Path], Settings]
) -> None:
    """Check that a run of ``recipe`` may begin in ``out``, or go on there if ``resume``.

    ``command`` (train or pretrain) is for messages; ``read`` returns the recipe of a run folder.

    Raises:
        UserError: the folder holds something else, or a run of this recipe and ``resume`` was not asked for.
    """
    if is_vacant(out):
        return
    if not (out / RECIPE).is_file():
        raise UserError(f"{out}: is not empty and no run of minbert's; choose another --out.")
    if (out / SOUP).is_file():
        raise UserError(f"{out}: holds a soup of other runs, which no training can go on with; choose another --out.")
    if (out / BEST_OF).is_file():
        raise UserError(f"{out}: holds a model that another run has kept; choose another --out.")
    if (there := read(out)) != recipe:
        differ = told_differences(there.model_dump(mode="json"), recipe.model_dump(mode="json"))
        go_on = command_line(command, out / RECIPE, "--out", out, "--resume")
        raise UserError(
            f"{out}: holds a run of another recipe ({differ}). Choose another --out, or go on with that one: {go_on}"
        )
    if not resume and is_finished(out):
        raise UserError(
            f"{out}: holds a finished run of this recipe. Choose another --out to train anew, or add --resume to see "
            "its results again."
        )
    if not resume:
        raise UserError(
            f"{out}: holds an unfinished run of this recipe; add --resume to go on, or choose another --out."
        )


def model_folders(folder: Path) -> list[Path]:
    """Return a run's folder and those in it that hold models, too: its pretraining's, and its best of tasks'."""
    return [folder, folder / PRETRAINING, *(folder / BEST).glob("*")]


def drop_weights(folder: Path) -> None:
    """Delete the weights of a run that has ended, of its pretraining and its best of tasks, too; its records stay.

    The run's own checkpoints go last: where they are gone, all is done.
    """
    for place in reversed(model_folders(folder)):
        remove(place / "model.safetensors")
        drop_checkpoints(place)


def drop_checkpoints(folder: Path) -> None:
    """Delete the checkpoints of a run that has ended."""
    remove(folder / CHECKPOINTS)


def is_finished(folder: Path) -> bool:
    """Return whether the run, soup or ensemble in this folder has come to its end."""
    return (folder / METRICS).is_file()
