"""What a learner is: from rows to losses and gradients, and to answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from minbert.data.schedules import Step
from minbert.files.long_arrays import parts, spooled
from minbert.machine.precision import Precision
from minbert.multitask.inference import Progress, predictions_from
from minbert.multitask.model import MultitaskModel
from minbert.multitask.sequences import Indices
from minbert.tasks.heads import HeadOutput
from minbert.tasks.predictions import Predictions
from minbert.training.micro_batches import TaskRows, micro_batches, row_lengths
from minbert.training.objective import Objective
from minbert.training.regularizing import Chosen, Regularizing
from minbert.training.rows import Rows
from minbert.training.shards import Shards


class Learner(ABC):
    """What learns: a model, the training rows of its tasks, and what they ask of it.

    It knows how the model reads rows, in which number format and how many at a time, and what each task's losses,
    teachers and regularization make of the answers: from rows it comes to losses and gradients, and to answers. It does
    not know which rows come when, how the tasks' gradients combine, how the optimizer uses them, or what dev says.
    """

    encodes_once: ClassVar[bool] = False
    """Whether the encoder reads each text once in a run, not at every step and evaluation."""

    def __init__(
        self,
        model: MultitaskModel,
        train: Mapping[str, Rows],
        precision: Precision,
        budget: int,
        regularization: Chosen | None = None,
    ) -> None:
        """Prepare for ``train``'s rows; at most ``budget`` tokens go through the encoder at a time.

        Raises:
            UserError: see ``Regularizing``.
        """
        self.model = model
        self.train = train
        self.precision = precision
        self.budget = budget
        self.lengths = row_lengths(train)
        self.regularizing = Regularizing(model, regularization or {})
        self.held = {task: self._held(task, lengths) for task, lengths in self.lengths.items()}
        """Each task's tokens a row, counted once for every pass of a row that is in memory at a time."""
        self.objectives = {task: Objective(model.tasks[task], rows, model.device) for task, rows in train.items()}
        self.progress = 0.0

    def _held(self, task: str, lengths: Indices) -> Indices:
        graphs = self.regularizing.graphs(task)
        return spooled((lengths[part] * graphs for part in parts(len(lengths))), np.int64)

    def begin_step(self, progress: float) -> None:
        """Say that a step begins, and which share of the run's steps lies behind: from 0 to below 1."""
        self.progress = progress

    def finish_step(self) -> None:
        """Say that the optimizer has made its step."""
        self.regularizing.finish_step(self.progress)

    @abstractmethod
    def add_gradients(self, micro_batch: Sequence[TaskRows], factors: Sequence[float]) -> list[Tensor]:
        """Add the gradient of a micro-batch to the parameters: of its tasks' losses, each times its factor.

        Of a task's mean loss over the step, rows count their share. Returns what that makes of each loss, detached and
        without the factor.
        """

    @abstractmethod
    def training_vectors(self, task: str, rows: Indices, progress: Progress) -> Tensor:
        """Return the sentence vectors of a task's training rows with these numbers, dropout off, as its head sees them.

        ``progress`` is told of sequences that the encoder has read for it.
        """

    @abstractmethod
    def logits(self, task: str, rows: Rows) -> Tensor:
        """Return a task's logits (R, outputs) for rows of any split, dropout off, on the CPU."""

    def predictions(self, task: str, rows: Rows) -> Predictions:
        """Return a task's predictions for rows of any split, dropout off.

        Raises:
            NotFiniteAnswersError: one is no finite number.
        """
        return predictions_from(task, self.model.task(task).kind, self.logits(task, rows))

    @abstractmethod
    def add_compared(self, rows: TaskRows, factor: float, shards: Shards) -> Tensor:
        """Add this rank's part of the gradient of all of a task's rows in the step, whose loss compares them.

        Returns this rank's part of the loss, detached and without the factor: the sum over ranks is the loss.
        """

    def accumulate(self, step: Step, weights: Mapping[str, float], shards: Shards = Shards()) -> Tensor:  # noqa: B008
        """Add the gradient of the step's losses, each times its task's own weight and ``weights``', to the parameters.

        A task's regularization is part of what is differentiated, not of the loss that is returned. Of several ranks
        each computes the ``shards`` that it holds: what they add and what they return is theirs to be added up.

        Returns each task's own unweighted mean loss over the step's rows, (tasks,) in the step's order, detached, on
        the model's device: nothing here waits for it.
        """
        compared = [task for task, rows in step.items() if self._is_compared(task, rows, shards)]
        together = {task: rows for task, rows in step.items() if task not in compared}
        whole = [task for task in together if self.model.tasks[task].whole_batches]
        factors = {task: self.model.tasks[task].weight * weights[task] for task in step}
        losses = dict.fromkeys(step, torch.zeros((), device=self.model.device))
        for shard in shards.own():
            shards.draw(*together, shard)
            for micro_batch in micro_batches(shards.rows(together, self.held, shard), self.held, self.budget, whole):
                found = self.add_gradients(micro_batch, [factors[rows.task] for rows in micro_batch])
                for rows, loss in zip(micro_batch, found, strict=True):
                    losses[rows.task] = losses[rows.task] + loss
        for task in compared:
            numbers = step[task]
            losses[task] = self.add_compared(TaskRows(task, numbers, len(numbers)), factors[task], shards)
        return torch.stack([loss.float() for loss in losses.values()])

    def _is_compared(self, task: str, rows: Indices, shards: Shards) -> bool:
        """Return whether a task's loss compares rows of the step that are not read in one call."""
        if not self.model.tasks[task].whole_batches:
            return False
        return shards.count > 1 or (len(rows) > 1 and int(self.held[task][rows].sum()) > self.budget)

    def loss(self, rows: TaskRows, output: HeadOutput) -> Tensor:
        """Return the rows' share of their task's loss: a scalar with its graph."""
        return self.objectives[rows.task].loss(output, rows.numbers, self.progress) * rows.share
