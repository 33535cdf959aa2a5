"""Which files a recipe's run reads, by the recipe's keys that name them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from minbert.data.places import resolve_data
from minbert.encoder.file_names import SAFETENSORS
from minbert.encoder.sources import encoder_files
from minbert.errors import UserError
from minbert.recipe.recipe import Recipe
from minbert.together.teachers import Teachers


def data_files(recipe: Recipe) -> dict[str, Path]:
    """Return the files of all tasks; none where there is no such data folder, which whoever reads them tells."""
    found: dict[str, Path] = {}
    with suppress(UserError):
        place = resolve_data(recipe.data)
        for name, task in recipe.tasks.items():
            found |= {f"tasks.{name}.files.{split}": place / file for split, file in task.files.by_split.items()}
            found |= {f"tasks.{name}.also_train_on.{shared.file}": place / shared.file for shared in task.also_train_on}
    return found


def model_files(recipe: Recipe, teachers: Teachers) -> dict[str, Path]:
    """Return the encoder's files, and the teachers' weights."""
    runs = {run for those in teachers.values() for run in those}
    return encoder_files(recipe.encoder.name) | {f"distillation.teachers.{run}": run / SAFETENSORS for run in runs}
