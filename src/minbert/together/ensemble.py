"""An ensemble of finished runs: the average of their answers, task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from minbert.data.examples import Split
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.evaluation.deciding import chosen_on_dev, decided
from minbert.evaluation.predicting import SplitTask, predict_rows, score_predictions
from minbert.files import write_json
from minbert.files.left_overs import remove_left_overs
from minbert.files.locks import claimed
from minbert.machine.device import available_device
from minbert.machine.precision import chosen_precision
from minbert.run_folder.answers import write_predicted
from minbert.run_folder.folder import METRICS
from minbert.run_folder.model import model_of_run
from minbert.tasks.predictions import Predictions
from minbert.together.averaging import Counts, HalfScores, average, choose_counts, held_out_scores
from minbert.together.ensemble_file import ENSEMBLE, EnsembleFile, EnsembleMember, write_ensemble
from minbert.together.members import (
    Member,
    check_new_folder,
    common_rows,
    find_members,
    members_of_tasks,
    names_apart,
    trained_tasks,
)
from minbert.training.rows import Rows
from minbert.training.scoring import DevScores

Weights = Literal["uniform", "dev"]


@dataclass(frozen=True, slots=True)
class EnsembleSummary:
    """What an ensemble has to show."""

    ensemble: EnsembleFile
    metrics: dict[str, str]
    """Each task's own metric."""
    members: dict[Path, DevScores]
    """Each run's scores on dev, of the tasks it has."""
    dev: DevScores
    """The ensemble's."""
    held_out: dict[str, list[HalfScores]]
    """With weights chosen on dev: what they score on halves of dev that they were not chosen on."""


def make_ensemble(
    folders: Sequence[Path], out: Path, weights: Weights, data: str | None, display: Display
) -> EnsembleSummary:
    """Put finished runs together as one ensemble in the folder ``out``: a description, metrics, prediction files.

    Each task's ensemble is of the runs that were trained on it. ``weights`` are equal, or chosen on dev
    (``choose_counts``).

    Raises:
        UserError: a run is not finished, the runs' tasks or dev rows differ, or ``out`` is not empty.
    """
    with claimed(out):
        remove_left_overs(out)
        check_new_folder(out, ENSEMBLE)
        return _put_together(find_members(folders), out, weights, data, display)


def _put_together(
    members: Sequence[Member], out: Path, weights: Weights, data: str | None, display: Display
) -> EnsembleSummary:
    by_task = members_of_tasks(members)
    rows = _rows(by_task, data, display)
    if weights == "dev":
        for name in by_task:
            if len(rows["dev", name]) < 2:
                raise UserError(f"task '{name}': weights chosen on dev need at least two dev rows.")
    names = names_apart([member.folder for member in members])
    answers = {
        member.folder: _answers(member, name, rows, display) for member, name in zip(members, names, strict=True)
    }
    counts: dict[str, Counts] = {}
    held_out: dict[str, list[HalfScores]] = {}
    for name, those in by_task.items():
        task, labels = those[0].recipe.tasks[name], _labels(rows["dev", name])
        given = [answers[member.folder]["dev", name] for member in those]
        if weights == "dev":
            counts[name] = choose_counts(given, labels, task)
            held_out[name] = held_out_scores(given, labels, task, name)
        else:
            counts[name] = np.ones(len(those), dtype=np.int64)
    return _write(out, weights, members, by_task, rows, answers, counts, held_out)


def _rows(by_task: Mapping[str, Sequence[Member]], data: str | None, display: Display) -> dict[SplitTask, Split]:
    """Return the dev rows of every task, and the test rows where all its members have them."""
    rows = {}
    for name, members in by_task.items():
        dev = common_rows(members, name, "dev", data, display)
        assert dev is not None  # training needs it
        rows["dev", name] = dev
        test = common_rows(members, name, "test", data, display)
        if test is not None:
            rows["test", name] = test
        else:
            display.note(f"{name}: has no test file that all its runs share, so no predictions are written for it")
    return rows


def _answers(
    member: Member, run: str, rows: Mapping[SplitTask, Split], display: Display
) -> dict[SplitTask, Predictions]:
    """Return one run's predictions for the rows of its tasks; ``run`` is what progress calls it."""
    model = model_of_run(member.folder, member.recipe).to(available_device())
    trained = trained_tasks(member.recipe)
    own = {
        (split, name): Rows.of_split(model, name, part, display)
        for (split, name), part in rows.items()
        if name in trained
    }
    return predict_rows(model, own, chosen_precision(member.recipe.training.precision), display, run)


def _labels(split: Split) -> np.ndarray[Any, np.dtype[np.float64]]:
    assert split.labels is not None
    return split.labels


def _write(
    out: Path,
    weights: Weights,
    members: Sequence[Member],
    by_task: Mapping[str, Sequence[Member]],
    rows: Mapping[SplitTask, Split],
    answers: Mapping[Path, Mapping[SplitTask, Predictions]],
    counts: Mapping[str, Counts],
    held_out: dict[str, list[HalfScores]],
) -> EnsembleSummary:
    tasks = {name: those[0].recipe.tasks[name] for name, those in by_task.items()}
    averaged = {
        (split, name): average([answers[m.folder][split, name] for m in by_task[name]], counts[name], tasks[name].kind)
        for split, name in rows
    }
    chosen = chosen_on_dev(tasks, rows, averaged)
    averaged = decided(chosen, averaged)
    dev = score_predictions(tasks, rows, averaged)
    alone = {member.folder: score_predictions(tasks, rows, answers[member.folder]) for member in members}
    ensemble = EnsembleFile(
        tasks={
            name: [
                EnsembleMember(run=str(member.folder), weight=float(count / counts[name].sum()))
                for member, count in zip(those, counts[name], strict=True)
                if count
            ]
            for name, those in by_task.items()
        }
    )
    write_ensemble(out, ensemble)
    write_predicted(out, tasks, rows, averaged)
    metrics: dict[str, Any] = {
        "dev": dev.as_json(),
        "weights": weights,
        "members": {str(folder): scores.as_json() for folder, scores in alone.items()},
    }
    if chosen:
        metrics["decided_on_dev"] = {name: task.kind.model_dump(mode="json") for name, task in chosen.items()}
    if held_out:
        metrics["held_out"] = {
            name: {
                "metric": tasks[name].metric,
                "chosen": [half.chosen for half in halves],
                "uniform": [half.uniform for half in halves],
            }
            for name, halves in held_out.items()
        }
    write_json(out / METRICS, metrics)
    return EnsembleSummary(
        ensemble,
        {name: task.metric for name, task in tasks.items()},
        alone,
        dev,
        held_out,
    )
