"""Peers that train the encoder: transformers' Trainer, sentence-transformers' trainer, and their looks at dev."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback

from minbert.data.examples import Split
from minbert.machine.precision import Precision, mixed_precision
from quality.curves import Curve, Recorder, Scores, look_steps
from quality.frozen import PENALTY, Encode, cosines, encoder, features, regression
from quality.rows import Course, best_threshold, score, training_and_dev
from trainers import Collator, Settings, TaskModel, pair_trainer, task_trainer

ANSWERED = 64
"""Rows that are answered at a time."""


class Looks(TrainerCallback):
    """Has a point recorded after an eighth, a quarter and a half of the first epoch, and after each epoch."""

    def __init__(self, recorder: Recorder, finish: Callable[[], Callable[[], Scores]], epochs: int) -> None:
        self.recorder, self.finish, self.epochs = recorder, finish, epochs
        self.due: list[int] = []

    def on_train_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Find out after which steps; in a very short course several looks may follow one step."""
        self.due = look_steps(state.max_steps, self.epochs)

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Record what is due."""
        for _ in range(self.due.count(state.global_step)):
            self.recorder.record(self.finish)


def trainer_peer(course: Course, folder: Path, task: str, joined: bool, settings: Settings) -> Curve:
    """Return the curve of transformers' Trainer on one task; ``joined`` reads a pair as one text."""
    train, dev = training_and_dev(course.read())
    collator = Collator(folder, joined)
    asked = collator.dataset(dev[task])
    torch.manual_seed(settings.seed)
    recorder = Recorder()
    model, dataset = TaskModel(folder, task, joined), collator.dataset(train[task])

    def finish() -> Callable[[], Scores]:
        return lambda: {task: score(task, dev[task], answers(model, collator, asked, settings.precision))}

    task_trainer(model, collator, dataset, settings, Looks(recorder, finish, settings.epochs)).train()
    return recorder.curve


@torch.no_grad()
def answers(model: TaskModel, collator: Collator, dataset: Dataset, precision: Precision) -> NDArray[Any]:
    """Return classes, 0 or 1, or similarities (rows,); the model is left in training mode."""
    model.eval()
    device = next(model.parameters()).device
    order = np.argsort(list(dataset["length"]), kind="stable")
    found = np.empty(len(dataset))
    for numbers in np.split(order, range(ANSWERED, len(order), ANSWERED)):
        batch = {name: tensor.to(device) for name, tensor in collator([dataset[int(row)] for row in numbers]).items()}
        batch.pop("labels")
        with mixed_precision(device, precision):
            outputs = model.outputs(len(numbers), **batch)
        if model.task == "sentiment":
            outputs = outputs.argmax(-1)
        elif model.task == "paraphrase":
            outputs = outputs > 0
        found[numbers] = outputs.float().cpu().numpy()
    model.train()
    return found


def sentence_transformers_peer(course: Course, folder: Path, settings: Settings) -> Curve:
    """Return the curve of sentence-transformers' trainer on the pairs; sentiment is a regression over its vectors.

    A pair is a paraphrase from the cosine on that is best on dev: what its own evaluator reports.
    """
    train, dev = training_and_dev(course.read())
    torch.manual_seed(settings.seed)
    recorder = Recorder()
    model = SentenceTransformer(str(folder))
    model.max_seq_length = 512
    encode, precision = encoder(model), settings.precision

    def finish() -> Callable[[], Scores]:
        with mixed_precision(model.device, precision):
            fit = regression(encode, train["sentiment"], PENALTY)
        return lambda: scores(fit)

    def scores(fit: Any) -> Scores:
        with mixed_precision(model.device, precision):
            found = pair_scores(encode, dev)
            found["sentiment"] = score("sentiment", dev["sentiment"], fit.predict(features(encode, dev["sentiment"])))
        model.train()
        return found

    pairs = {task: rows for task, rows in train.items() if rows.second is not None}
    pair_trainer(model, pairs, settings, "proportional", Looks(recorder, finish, settings.epochs)).train()
    return recorder.curve


def pair_scores(encode: Encode, dev: Mapping[str, Split]) -> dict[str, float]:
    """Return the scores of cosines alone."""
    near, rows = cosines(encode, dev["paraphrase"]), dev["paraphrase"]
    assert rows.labels is not None
    return {
        "paraphrase": score("paraphrase", rows, near >= best_threshold(rows.labels, near)),
        "similarity": score("similarity", dev["similarity"], cosines(encode, dev["similarity"])),
    }
