"""A step's losses and gradients, with the encoder trained or frozen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from minbert.data.schedules import Step
from minbert.machine.precision import Precision, mixed_precision
from minbert.multitask.inference import Progress, head_logits, sentence_vectors, task_logits
from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import Part
from minbert.multitask.regularization import Passes, TwinPasses
from minbert.packed import PackedBatch, concatenate
from minbert.tasks.heads import HeadOutput
from minbert.training.gradient_cache import Chunk, add_cached_gradients
from minbert.training.micro_batches import Piece, micro_batches, row_lengths
from minbert.training.objective import Objective
from minbert.training.regularizing import Chosen, Regularizing
from minbert.training.rows import Rows


class StepGradients(ABC):
    """What the loop needs of a model: a step's gradients, and logits for scoring."""

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
    def add_gradients(self, pieces: Sequence[Piece], factors: Sequence[float]) -> list[Tensor]:
        """Add the gradient of the pieces' shares of their tasks' losses, each times its factor, to the parameters.

        Returns the pieces' shares of the losses, detached and not multiplied.
        """

    @abstractmethod
    def logits(self, task: str, rows: Rows) -> Tensor:
        """Return a task's logits (R, outputs) for rows of any split, dropout off, on the CPU."""

    def accumulate(self, step: Step, weights: Mapping[str, float]) -> Tensor:
        """Add the gradient of the step's losses, each times its task's own weight and ``weights``', to the parameters.

        A task's regularization is part of what is differentiated, not of the loss that is returned.

        Returns each task's own unweighted mean loss over the step's rows, (tasks,) in the step's order, detached, on
        the model's device: nothing here waits for it.
        """
        names = list(step)
        whole = [name for name in names if self.model.tasks[name].whole_batches]
        losses = torch.zeros(len(names), device=self.model.device)
        for pieces in micro_batches(step, self.held, self.budget, whole):
            factors = [self.model.tasks[piece.task].weight * weights[piece.task] for piece in pieces]
            for piece, loss in zip(pieces, self.add_gradients(pieces, factors), strict=True):
                losses[names.index(piece.task)] += loss
        return losses

    def loss(self, piece: Piece, output: HeadOutput) -> Tensor:
        """Return a piece's share of its task's loss: a scalar with its graph."""
        return self.objectives[piece.task].loss(output, piece.rows, self.progress) * piece.share


class FinetunedGradients(StepGradients):
    """The encoder is trained: every step runs it, all tasks of a micro-batch in one call.

    Two kinds of piece have a call of their own: those of a task whose regularization repeats its pass with a
    difference, and those that must be whole and do not fit in memory, whose gradients are cached.
    """

    def add_gradients(self, pieces: Sequence[Piece], factors: Sequence[float]) -> list[Tensor]:
        """Add the gradient of the pieces' shares of their tasks' losses, each times its factor, to the parameters.

        Returns the pieces' shares of the losses, detached and not multiplied.
        """
        losses: dict[int, Tensor] = {}
        together = []
        for index, piece in enumerate(pieces):
            if len(piece.rows) > 1 and self.held[piece.task][piece.rows].sum() > self.budget:
                losses[index] = self._add_cached(piece, factors[index])
            elif piece.task in self.regularizing and not self.regularizing.twin(piece.task):
                losses[index] = self._add_regularized(piece, factors[index])
            else:
                together.append(index)
        if together:
            found = self._add_together([pieces[index] for index in together], [factors[index] for index in together])
            losses |= dict(zip(together, found, strict=True))
        return [losses[index] for index in range(len(pieces))]

    def _add_together(self, pieces: Sequence[Piece], factors: Sequence[float]) -> list[Tensor]:
        # Rows whose regularization compares two passes stand twice in the batch: a long call costs less than two.
        copies = [2 if self.regularizing.twin(piece.task) else 1 for piece in pieces]
        batches = [[self._packed(piece)] * times for piece, times in zip(pieces, copies, strict=True)]
        parts = [[Part(piece.task, len(piece.rows))] * times for piece, times in zip(pieces, copies, strict=True)]
        with mixed_precision(self.model.device, self.precision):
            batch = concatenate(list(chain(*batches))).to(self.model.device)
            outputs = iter(self.model(batch, list(chain(*parts))))
        losses, totals = [], []
        for piece, factor, [part, *twin] in zip(pieces, factors, parts, strict=True):
            clean = next(outputs)
            loss = self.loss(piece, clean)
            if twin:
                other = next(outputs)
                loss = (loss + self.loss(piece, other)) / 2
                passes = TwinPasses(self.model, part, clean, other)
                totals.append(factor * piece.share * self.regularizing.penalty(passes, piece.task, piece.share))
            losses.append(loss)
            totals.append(factor * loss)
        torch.stack(totals).sum().backward()  # type: ignore[no-untyped-call]
        return [loss.detach() for loss in losses]

    def _add_regularized(self, piece: Piece, factor: float) -> Tensor:
        batch, part = self._chunk(piece)
        passes = Passes(self.model, batch, part, self.regularizing.precision(piece.task, self.precision))
        loss = self.loss(piece, passes.clean)
        penalty = piece.share * self.regularizing.penalty(passes, piece.task, piece.share)
        (factor * (loss + penalty)).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _add_cached(self, piece: Piece, factor: float) -> Tensor:
        task = piece.task
        chunks = [self._chunk(chunk) for [chunk] in micro_batches({task: piece.rows}, self.held, self.budget)]
        losses = []

        def loss(output: HeadOutput) -> Tensor:
            losses.append(self.loss(piece, output))
            return factor * losses[0]

        def penalty(passes: Passes, share: float) -> Tensor:
            return factor * share * self.regularizing.penalty(passes, task, share)

        precision = self.regularizing.precision(task, self.precision)
        add_cached_gradients(self.model, chunks, precision, loss, penalty if task in self.regularizing else None)
        return losses[0].detach()

    def _chunk(self, piece: Piece) -> Chunk:
        return Chunk(self._packed(piece).to(self.model.device), Part(piece.task, len(piece.rows)))

    def _packed(self, piece: Piece) -> PackedBatch:
        sequences = self.train[piece.task].sequences
        return sequences.pack(sequences.of(piece.rows))

    def logits(self, task: str, rows: Rows) -> Tensor:
        """Return a task's logits (R, outputs) for rows of any split, dropout off, on the CPU."""
        return task_logits(self.model, task, rows.sequences, self.precision)


class FrozenGradients(StepGradients):
    """The encoder is frozen: it reads each distinct sequence once, without dropout; heads train on what it said."""

    def __init__(
        self,
        model: MultitaskModel,
        train: Mapping[str, Rows],
        precision: Precision,
        budget: int,
        progress: Progress = lambda done: None,  # noqa: ARG005
    ) -> None:
        """Run the encoder over ``train``; other splits follow when their logits are first asked for."""
        super().__init__(model, train, precision, budget)
        # A frozen step costs no tokens: rows of any length fit in one piece.
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

    def add_gradients(self, pieces: Sequence[Piece], factors: Sequence[float]) -> list[Tensor]:
        """Add the gradient of the pieces' shares of their tasks' losses, each times its factor, to the parameters.

        Returns the pieces' shares of the losses, detached and not multiplied.
        """
        losses = []
        for piece in pieces:
            rows = self.train[piece.task]
            vectors = self._vectors(piece.task, rows)[torch.from_numpy(rows.sequences.of(piece.rows))]
            with mixed_precision(self.model.device, self.precision):
                output = self.model.head(piece.task)(vectors)
            losses.append(self.loss(piece, output))
        total = torch.stack([factor * loss for factor, loss in zip(factors, losses, strict=True)]).sum()
        if total.requires_grad:  # not where no task of the step has a head to train
            total.backward()  # type: ignore[no-untyped-call]
        return [loss.detach() for loss in losses]

    def logits(self, task: str, rows: Rows) -> Tensor:
        """Return a task's logits (R, outputs) for rows of any split, dropout off, on the CPU."""
        return head_logits(self.model, task, rows.sequences, self._vectors(task, rows))
