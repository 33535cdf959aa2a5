"""What a few labelled rows need, and whether any of a train file's rows can be spared as dev.

The figures behind these choices are in docs/defaults.md, "A few rows a class".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minbert.schema_inference.found import Findings, InferredTask
from minbert.tasks.kinds import KINDS

MOST_ROWS_A_CLASS = 100
_MOST_ROWS = 100
"""Of tasks without one class a row: of so few rows a fifth would choose by chance."""
VERY_FEW_ROWS = 128
"""Of all classes together: small batches, and what was measured with 8 rows a class. More have not been measured so."""
_TEMPERATURE = 0.5
"""Of the contrastive loss. At 0.1, its default, texts that are told apart already hardly count any more."""
_LEAST_TEXTS = 5
"""Different ones, of which one can be dev."""
_LARGE_FILE = 1000
"""From so many rows on a tenth of them tells enough as dev; of fewer, a fifth."""


def has_few_rows(task: InferredTask) -> bool:
    """Return whether classes are told apart by a few rows each."""
    return _has_one_class_a_row(task) and task.labelled <= MOST_ROWS_A_CLASS * task.classes


def contrasts_rows(task: InferredTask) -> bool:
    """Return whether a task of few rows has one vector a row, so that rows can be drawn to each other."""
    return has_few_rows(task) and isinstance(task.findings.settings["text"], str)


def choose_for_few_rows(task: InferredTask) -> None:
    """Set the ``head`` and, of single texts, the ``loss`` that suit few rows."""
    task.findings.set(
        "head",
        {"name": "linear", "normalize": True},
        f"of few rows a class ({task.labelled:,} rows): directions of vectors alone, for lengths vary by chance",
    )
    if contrasts_rows(task):
        own = KINDS[task.findings.settings["kind"]].default_loss
        reason = "texts of a class are also drawn to each other: every pair of rows teaches something"
        contrastive: dict[str, Any] = {"name": "supervised_contrastive"}
        if task.labelled <= VERY_FEW_ROWS:
            contrastive["temperature"] = _TEMPERATURE
        task.findings.set("loss", [own, contrastive], reason)


def choose_dev(tasks: Sequence[InferredTask], training: Findings, remarks: list[str]) -> list[InferredTask]:
    """Hold out dev rows for tasks without a dev file. Where no task can spare any, keep the last model instead.

    Returns:
        The tasks that are left: one that can spare none is left out beside others that can.
    """
    if all("dev" not in task.rows and (_is_small(task) or not _can_spare(task)) for task in tasks):
        reason = "there is no dev file, and rows are few: all are trained on, for a few dev rows would choose by chance"
        training.set("keep", "last", reason)
        training.set("head_end", "probe", "the encoder has moved, so the heads are solved once more")
        return list(tasks)
    kept = []
    for task in tasks:
        if "dev" not in task.rows and not _can_spare(task):
            told = f"{task.labelled:,} labelled rows with {len(set(task.texts)):,} different texts"
            remarks.append(f"{task.name}: {told} are too few to hold some out as dev; left out. Train it by itself")
            continue
        kept.append(task)
        if "dev" not in task.rows:
            share = "10%" if task.labelled >= _LARGE_FILE else "20%"
            reason = "no dev file is there, so a part of the train file is dev, the same in every run"
            task.findings.set("held_out", share, reason)
    return kept


def _is_small(task: InferredTask) -> bool:
    return has_few_rows(task) or task.labelled <= _MOST_ROWS


def _can_spare(task: InferredTask) -> bool:
    """Return whether a fifth of a task's texts can be held out: a class with a single text is trained on."""
    single = task.classes - 1 if _has_one_class_a_row(task) else 0  # at most
    return task.labelled - single >= task.labelled / 5 and len(set(task.texts)) >= _LEAST_TEXTS


def _has_one_class_a_row(task: InferredTask) -> bool:
    return task.findings.settings["kind"] in ("classification", "binary", "ordinal")
