"""Learners: from rows to losses and gradients, with the encoder trained or frozen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from minbert.data.schedules import Step
from minbert.machine.precision import Precision, mixed_precision
from minbert.multitask.inference import Progress, head_logits, predictions_from, sentence_vectors, task_logits
from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import Span
from minbert.multitask.regularization import Passes, TwinPasses
from minbert.multitask.sequences import Indices
from minbert.packed import PackedBatch, concatenate
from minbert.tasks.heads import HeadOutput
from minbert.tasks.predictions import Predictions
from minbert.training.gradient_cache import add_cached_gradients
from minbert.training.micro_batches import TaskRows, micro_batches, row_lengths
from minbert.training.objective import Objective
from minbert.training.regularizing import Chosen, Regularizing
from minbert.training.rows import Rows


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
        self.held = {task: lengths * self.regularizing.graphs(task) for task, lengths in self.lengths.items()}
        """Each task's tokens a row, counted once for every pass of a row that is in memory at a time."""
        self.objectives = {task: Objective(model.tasks[task], rows, model.device) for task, rows in train.items()}
        self.progress = 0.0

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

    def accumulate(self, step: Step, weights: Mapping[str, float]) -> Tensor:
        """Add the gradient of the step's losses, each times its task's own weight and ``weights``', to the parameters.

        A task's regularization is part of what is differentiated, not of the loss that is returned.

        Returns each task's own unweighted mean loss over the step's rows, (tasks,) in the step's order, detached, on
        the model's device: nothing here waits for it.
        """
        names = list(step)
        whole = [name for name in names if self.model.tasks[name].whole_batches]
        losses = torch.zeros(len(names), device=self.model.device)
        for micro_batch in micro_batches(step, self.held, self.budget, whole):
            factors = [self.model.tasks[rows.task].weight * weights[rows.task] for rows in micro_batch]
            for rows, loss in zip(micro_batch, self.add_gradients(micro_batch, factors), strict=True):
                losses[names.index(rows.task)] += loss
        return losses

    def loss(self, rows: TaskRows, output: HeadOutput) -> Tensor:
        """Return the rows' share of their task's loss: a scalar with its graph."""
        return self.objectives[rows.task].loss(output, rows.numbers, self.progress) * rows.share


class FinetunedLearner(Learner):
    """The encoder is trained: every step runs it, all tasks of a micro-batch in one call.

    Two kinds of rows have a call of their own: those of a task whose regularization repeats its pass with a difference,
    and those that must stay together and do not fit in memory, whose gradients are cached.
    """

    def add_gradients(self, micro_batch: Sequence[TaskRows], factors: Sequence[float]) -> list[Tensor]:
        """Add the gradient of a micro-batch to the parameters; see ``Learner.add_gradients``."""
        losses: dict[int, Tensor] = {}
        together = []
        for index, rows in enumerate(micro_batch):
            if len(rows.numbers) > 1 and self.held[rows.task][rows.numbers].sum() > self.budget:
                losses[index] = self._add_cached(rows, factors[index])
            elif rows.task in self.regularizing and not self.regularizing.twin(rows.task):
                losses[index] = self._add_regularized(rows, factors[index])
            else:
                together.append(index)
        if together:
            chosen = [micro_batch[index] for index in together]
            found = self._add_together(chosen, [factors[index] for index in together])
            losses |= dict(zip(together, found, strict=True))
        return [losses[index] for index in range(len(micro_batch))]

    def _add_together(self, micro_batch: Sequence[TaskRows], factors: Sequence[float]) -> list[Tensor]:
        # Rows whose regularization compares two passes stand twice in the batch: a long call costs less than two.
        copies = [2 if self.regularizing.twin(rows.task) else 1 for rows in micro_batch]
        packed, spans = [], []
        for rows, times in zip(micro_batch, copies, strict=True):
            batch = self._packed(rows)
            packed += [batch] * times
            spans += [Span(rows.task, len(batch))] * times
        with mixed_precision(self.model.device, self.precision):
            outputs = iter(self.model(concatenate(packed).to(self.model.device), spans))
        losses, totals = [], []
        for rows, factor, times in zip(micro_batch, factors, copies, strict=True):
            clean = next(outputs)
            loss = self.loss(rows, clean)
            if times == 2:
                other = next(outputs)
                loss = (loss + self.loss(rows, other)) / 2
                passes = TwinPasses(self.model, rows.task, clean, other)
                totals.append(factor * rows.share * self.regularizing.penalty(passes, rows.task, rows.share))
            losses.append(loss)
            totals.append(factor * loss)
        torch.stack(totals).sum().backward()  # type: ignore[no-untyped-call]
        return [loss.detach() for loss in losses]

    def _add_regularized(self, rows: TaskRows, factor: float) -> Tensor:
        precision = self.regularizing.precision(rows.task, self.precision)
        passes = Passes(self.model, rows.task, self._packed(rows).to(self.model.device), precision)
        loss = self.loss(rows, passes.clean)
        penalty = rows.share * self.regularizing.penalty(passes, rows.task, rows.share)
        (factor * (loss + penalty)).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _add_cached(self, rows: TaskRows, factor: float) -> Tensor:
        task, losses = rows.task, []
        parts = micro_batches({task: rows.numbers}, self.held, self.budget)
        batches = [self._packed(own).to(self.model.device) for [own] in parts]

        def loss(output: HeadOutput) -> Tensor:
            losses.append(self.loss(rows, output))
            return factor * losses[0]

        def penalty(passes: Passes, share: float) -> Tensor:
            return factor * share * self.regularizing.penalty(passes, task, share)

        precision = self.regularizing.precision(task, self.precision)
        add_cached_gradients(self.model, task, batches, precision, loss, penalty if task in self.regularizing else None)
        return losses[0].detach()

    def _packed(self, rows: TaskRows) -> PackedBatch:
        sequences = self.train[rows.task].sequences
        return sequences.pack(sequences.of(rows.numbers))

    def training_vectors(self, task: str, rows: Indices, progress: Progress) -> Tensor:
        """Read the rows' sequences, each once; see ``Learner.training_vectors``."""
        sequences, taken = self.train[task].sequences.chosen(rows), self.model.tasks[task].taken
        vectors = sentence_vectors(self.model, sequences, taken, self.precision, progress, task=task)
        return vectors[torch.from_numpy(sequences.of(np.arange(len(rows))))]

    def logits(self, task: str, rows: Rows) -> Tensor:
        """Return a task's logits (R, outputs) for rows of any split, dropout off, on the CPU."""
        return task_logits(self.model, task, rows.sequences, self.precision)


class FrozenLearner(Learner):
    """The encoder is frozen: it reads each distinct sequence once, without dropout; heads train on what it said."""

    encodes_once = True

    def __init__(
        self,
        model: MultitaskModel,
        train: Mapping[str, Rows],
        precision: Precision,
        budget: int,
        progress: Progress = lambda done: None,  # noqa: ARG005
    ) -> None:
        """Run the encoder over ``train``; other splits follow when their answers are first asked for."""
        super().__init__(model, train, precision, budget)
        # A frozen step costs no tokens: rows of any length fit in one micro-batch.
        self.lengths = self.held = {task: np.zeros(len(rows), dtype=np.int64) for task, rows in train.items()}
        self.on_encoded = progress
        self.vectors: dict[int, Tensor] = {}
        for task, rows in train.items():
            self._vectors(task, rows)

    def _vectors(self, task: str, rows: Rows) -> Tensor:
        key = id(rows.sequences)  # splits live as long as the run
        if key not in self.vectors:
            taken = self.model.tasks[task].taken
            self.vectors[key] = sentence_vectors(self.model, rows.sequences, taken, self.precision, self.on_encoded)
        return self.vectors[key]

    def add_gradients(self, micro_batch: Sequence[TaskRows], factors: Sequence[float]) -> list[Tensor]:
        """Add the gradient of a micro-batch to the parameters; see ``Learner.add_gradients``."""
        losses = []
        for rows in micro_batch:
            train = self.train[rows.task]
            vectors = self._vectors(rows.task, train)[torch.from_numpy(train.sequences.of(rows.numbers))]
            with mixed_precision(self.model.device, self.precision):
                output = self.model.head(rows.task)(vectors)
            losses.append(self.loss(rows, output))
        total = torch.stack([factor * loss for factor, loss in zip(factors, losses, strict=True)]).sum()
        if total.requires_grad:  # not where no task of the step has a head to train
            total.backward()  # type: ignore[no-untyped-call]
        return [loss.detach() for loss in losses]

    def training_vectors(self, task: str, rows: Indices, progress: Progress) -> Tensor:  # noqa: ARG002
        """Take the vectors that are there; see ``Learner.training_vectors``."""
        train = self.train[task]
        return self._vectors(task, train)[torch.from_numpy(train.sequences.of(rows))]

    def logits(self, task: str, rows: Rows) -> Tensor:
        """Return a task's logits (R, outputs) for rows of any split, dropout off, on the CPU."""
        return head_logits(self.model, task, rows.sequences, self._vectors(task, rows))
