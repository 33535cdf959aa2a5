"""After training: every head alone, over the kept encoder, which stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from torch import Tensor

from minbert.data.schedules import Schedule
from minbert.encoder.safetensors_reading import open_tensors
from minbert.encoder.tensor_files import read_tensors, write_tensors
from minbert.files.durable import remove
from minbert.machine.ranks import ranks
from minbert.multitask.combination import Combination
from minbert.multitask.model import MultitaskModel
from minbert.multitask.model_files import save_weights
from minbert.training.frozen_learner import FrozenLearner
from minbert.training.loop import TrainingLoop

HEADS = "checkpoints/heads.safetensors"
"""In a run's folder: the tuned heads. Where it is, tuning is done."""

_SCRATCH = "checkpoints/head_tuning"


def tune_heads(trained: TrainingLoop) -> dict[str, Any]:
    """Train each head of the model that a finished loop has kept for ``head_epochs`` over its own task's rows.

    The encoder is frozen and reads each text once. A head starts from its kept weights and has the heads' learning
    rate, without warm-up or averaged weights, and the task's own loss, without teachers. Of its evaluations, one an
    epoch, the best by the task's own metric is kept; the start counts too, and wins ties.

    Returns, for each task whose losses train its head: its metric, and its score before and after.

    When this is cut short it has changed nothing, and starts anew when called again; when it is done it only sees to
    it that the model's file holds the tuned heads.

    Raises:
        NotFiniteError: a loss or gradient is not finite.
        Interrupted: the user asked to stop.
    """
    folder = trained.folder
    model = MultitaskModel.from_pretrained(folder)
    if ranks().tell(lambda: not (folder / HEADS).is_file()):
        report: dict[str, Any] = {}
        tuned: dict[str, Tensor] = {}
        try:
            for task in (task for task, settings in model.tasks.items() if settings.trains_head):
                report[task], head = _tune_head(trained, task)
                tuned |= head
        finally:
            if ranks().first:
                remove(folder / _SCRATCH)  # for good, before a file says that tuning is done
        ranks().tell(lambda: write_tensors(folder / HEADS, tuned, {"report": json.dumps(report)}))
    with open_tensors(folder / HEADS) as file:
        report = json.loads(file.metadata["report"])
        tensors = file.read_all()
    model.heads.load_state_dict(model.heads.state_dict() | tensors)
    ranks().tell(lambda: save_weights(model, folder))
    return report


def _tune_head(trained: TrainingLoop, task: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return what tuning one task's head brought, and its best weights by their names among all heads'."""
    rows, course, display = trained.learner.train[task], trained.course, trained.display
    model = MultitaskModel.from_pretrained(trained.folder).to(trained.model.device)
    precision, budget = trained.learner.precision, trained.learner.budget
    with display.counting(f"encoding {task} once", len(rows.sequences)) as bar:
        learner = FrozenLearner(model, {task: rows}, precision, budget, bar.advance)
    scratch = trained.folder / _SCRATCH
    changes = {
        "encoder": "frozen",
        "epochs": course.settings.head_epochs,
        "evaluate_every": None,
        "patience": None,
        "select": task,
        "keep_best_of_tasks": False,
    }
    alone = replace(
        course,
        schedule=Schedule.model_validate("round_robin"),
        sizes={task: course.sizes[task]},
        combination=Combination.model_validate("sum"),
        settings=course.settings.model_copy(update=changes),
        optimizer=course.optimizer.model_copy(update={"warmup": 0, "ema_decay": None}),
    )
    loop = TrainingLoop(learner, {task: trained.dev[task]}, alone, scratch, display)
    display.note(f"tuning the head of {task} alone")
    result = loop.run(resume=False)
    assert result.state.best is not None
    metric = model.tasks[task].metric
    before, after = result.history[0]["dev"][task][metric], result.state.best.score
    display.note(f"{task}: {metric} {before:.3f} before, {after:.3f} with the head that is kept")
    kept = read_tensors(scratch / "model.safetensors") if ranks().first else {}  # where they are written to a file
    prefix = f"heads.{task}."
    report = {"metric": metric, "before": before, "after": after}
    return report, {name.removeprefix("heads."): kept[name] for name in kept if name.startswith(prefix)}
