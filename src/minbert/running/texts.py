"""From a recipe to the rows of its tasks: files read, parts drawn, other tasks' rows joined, new rows made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from minbert.augmentation.rows import RowAugmenter
from minbert.augmentation.tables import new_rows_table
from minbert.data.early_facts import label_facts, shared_texts
from minbert.data.examples import Split
from minbert.data.kept_rows import kept_task_split
from minbert.data.places import resolve_data
from minbert.data.schedules import TaskSize
from minbert.data.shared_rows import joined, read_shared
from minbert.data.subsample import subsample
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.recipe.recipe import Recipe

Texts = dict[tuple[str, str], Split]
"""The rows of each split (train, dev, test) and task. Of test only where its file is there; of dev, where any are."""

_PARTS = {"train": "rows", "dev": "dev_rows"}
"""The key that asks for a part of a split's rows."""


def read_texts(recipe: Recipe, display: Display) -> Texts:
    """Read all files of ``recipe``; the cache keeps the rows of large ones.

    Raises:
        UserError: a file cannot be used, or has fewer rows than are wanted.
    """
    place = resolve_data(recipe.data)
    texts: Texts = {}
    needed = ("train", "dev") if _reads_dev(recipe) else ("train",)
    for name, task in recipe.tasks.items():
        files = task.split_files
        for split in needed:
            if split not in files:
                or_not = ", or 'held_out' beside 'files', or training.keep: last" if split == "dev" else ""
                raise UserError(f"tasks.{name}.files.{split}: training needs it{or_not}.")
            part = kept_task_split(place, task, task.kind, split, name=name, note=display.note)
            key = _PARTS[split]
            texts[split, name] = _subsampled(part, getattr(task, key), recipe.seed, name, key)
        shared = read_shared(place, name, task, task.kind, recipe.seed)
        texts["train", name] = joined(texts["train", name], shared)
        if "test" in files and not (place / files["test"]).is_file():
            display.note(f"{place / files['test']}: is not there, so no predictions are written for it")
        elif "test" in files:
            texts["test", name] = kept_task_split(
                place, task, task.kind, "test", labelled=None, name=name, note=display.note
            )
        later = [texts[split, name] for split in ("dev", "test") if (split, name) in texts]
        parts = [texts["train", name], *shared, *later]
        if parts[-1].withheld:
            display.note(f"{parts[-1].path}: every label is empty or -1, so its labels are taken as withheld")
        for note in dict.fromkeys(part.left_out for part in parts if part.left_out):
            display.note(note)
        own = {split: texts[split, name] for split in ("train", "dev", "test") if (split, name) in texts}
        known = {split: task.kind.class_counts(rows.labels) for split, rows in own.items() if rows.labels is not None}
        for fact in [*label_facts(task.kind, known, len(own["train"]), task.metric), *shared_texts(own)]:
            display.note(f"{name}: {fact}")
    return texts


def _reads_dev(recipe: Recipe) -> bool:
    """Return whether there are dev rows to read, or must be: a model that is kept unscored needs none.

    Raises:
        UserError: some tasks have dev rows and some have none, or a key asks for what only dev rows tell.
    """
    without = [name for name, task in recipe.tasks.items() if "dev" not in task.split_files]
    if not without or recipe.training.keep == "best":
        return True
    if len(without) < len(recipe.tasks):
        raise UserError(
            f"tasks.{without[0]}.files.dev: other tasks have dev rows. Name a file, or 'held_out', for this one too, "
            "or neither for any task."
        )
    asking = {f"training.{key}": getattr(recipe.training, key) for key in ("head_epochs", "keep_best_of_tasks")}
    for name, task in recipe.tasks.items():
        asking |= {f"tasks.{name}.dev_rows": task.dev_rows, f"tasks.{name}.thresholds": task.kind.decides_on_dev}
    if needing := [key for key, value in asking.items() if value]:
        raise UserError(f"{needing[0]}: it needs dev rows, and no task has any. Name a dev file, or 'held_out'.")
    return False


def add_new_rows(recipe: Recipe, texts: Texts, device: torch.device, display: Display) -> dict[str, str]:
    """Put the new rows of tasks with augmentation after their training rows; return the tables of them."""
    augmenter = RowAugmenter(recipe.seed, device)
    tables = {}
    for name, task in recipe.tasks.items():
        if not task.augmentation:
            continue
        split = texts["train", name]
        rows = [(text,) if isinstance(text, str) else text for text in split.texts]
        with display.counting(f"augmenting {name}", len(rows) * len(task.augmentation)) as bar:
            made = augmenter.new_rows(task.augmentation, split.ids, rows, bar.advance)
        display.note(f"{name}: {len(made):,} new rows beside {len(rows):,}")
        assert split.labels is not None
        texts["train", name] = replace(
            split,
            ids=[*split.ids, *(row.id for row in made)],
            first=[*split.first, *(row.texts[0] for row in made)],
            second=None if split.second is None else [*split.second, *(row.texts[1] for row in made)],
            labels=np.concatenate([split.labels, [split.labels[row.origin] for row in made]]),
            key=None,
            contents=None,
        )
        tables[name] = new_rows_table(made, split.ids, list(split.labels))
    return tables


def task_sizes(recipe: Recipe, texts: Texts) -> dict[str, TaskSize]:
    """Return how many rows each task trains on, and how many a batch."""
    return {
        name: TaskSize(len(texts["train", name]), task.batch_size or recipe.schedule.batch_size)
        for name, task in recipe.tasks.items()
    }


def check_steps(recipe: Recipe, sizes: Mapping[str, TaskSize]) -> None:
    """Ask schedule and optimizer now what they would otherwise refuse only after the encoder is loaded.

    Raises:
        UserError: they would refuse.
    """
    try:
        steps = recipe.schedule.method.steps_per_epoch(sizes) * recipe.training.epochs
    except ValueError as error:
        raise UserError(f"schedule.method: {error}.") from None
    schedule, combination = recipe.schedule.method.name, recipe.combination.name
    if combination != "sum" and schedule != "round_robin":
        raise UserError(
            f"combination '{combination}' weighs the tasks of a step against each other, so each step needs a batch of "
            f"every task: use schedule.method=round_robin, not '{schedule}'."
        )
    try:
        recipe.optimizer.warmup_steps(steps)
    except ValueError as error:
        raise UserError(f"optimizer.warmup: {error}.") from None


def _subsampled(split: Split, wanted: int | str | None, seed: int, name: str, key: str) -> Split:
    if wanted is None:
        return split
    try:
        chosen = subsample(len(split), wanted, seed, name)
    except ValueError as error:
        raise UserError(f"tasks.{name}.{key}: {error}.") from None
    return split.take(chosen)
