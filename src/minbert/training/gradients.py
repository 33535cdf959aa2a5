"""A step's losses and gradients, with the encoder trained or frozen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from minbert.multitask.inference import Progress, head_logits, sentence_vectors, task_logits
from minbert.multitask.model import MultitaskModel, Part
from minbert.multitask.precision import Precision, mixed_precision
from minbert.tasks.heads import HeadOutput
from minbert.training.micro_batches import Piece, Step, micro_batches, row_lengths
from minbert.training.objective import Objective
from minbert.training.rows import Rows


class StepGradients(ABC):
    """What the loop needs of a model: a step's gradients, and logits for scoring."""

    def __init__(self, model: MultitaskModel, train: Mapping[str, Rows], precision: Precision, budget: int) -> None:
        """Prepare for ``train``'s rows; at most ``budget`` tokens go through the encoder at a time."""
        self.model = model
        self.train = train
        self.precision = precision
        self.budget = budget
        self.lengths = row_lengths(train)
        self.objectives = {task: Objective(model.tasks[task], rows, model.device) for task, rows in train.items()}
        self.progress = 0.0

    def begin_step(self, progress: float) -> None:
        """Say that a step begins, and which share of the run's steps lies behind: from 0 to below 1."""
        self.progress = progress

    @abstractmethod
    def outputs(self, pieces: Sequence[Piece]) -> list[HeadOutput]:
        """Return the head output of each piece, with its graph."""

    @abstractmethod
    def logits(self, task: str, rows: Rows) -> Tensor:
        """Return a task's logits (R, outputs) for rows of any split, dropout off, on the CPU."""

    def accumulate(self, step: Step, weights: Mapping[str, float]) -> Tensor:
        """Add the gradient of the step's losses, each times its task's own weight and ``weights``', to the parameters.

        Returns each task's own unweighted mean loss over the step's rows, (tasks,) in the step's order, detached, on
        the model's device: nothing here waits for it.
        """
        names = list(step)
        whole = [name for name in names if self.model.tasks[name].whole_batches]
        losses = torch.zeros(len(names), device=self.model.device)
        for pieces in micro_batches(step, self.lengths, self.budget, whole):
            with mixed_precision(self.model.device, self.precision):
                outputs = self.outputs(pieces)
            total = losses.new_zeros(())
            for piece, output in zip(pieces, outputs, strict=True):
                loss = self.objectives[piece.task].loss(output, piece.rows, self.progress) * piece.share
                losses[names.index(piece.task)] += loss.detach()
                total = total + self.model.tasks[piece.task].weight * weights[piece.task] * loss
            if total.requires_grad:  # not where a frozen encoder meets a task without a head to train
                total.backward()  # type: ignore[no-untyped-call]
        return losses


class FinetunedGradients(StepGradients):
    """The encoder is trained: every step runs it, all tasks of a micro-batch in one call."""

    def outputs(self, pieces: Sequence[Piece]) -> list[HeadOutput]:
        """Return the head output of each piece, with its graph."""
        from minbert.packed import concatenate

        packed = []
        for piece in pieces:
            sequences = self.train[piece.task].sequences
            packed.append(sequences.pack(sequences.of(piece.rows)))
        batch = concatenate(packed).to(self.model.device)
        outputs: list[HeadOutput] = self.model(batch, [Part(piece.task, len(piece.rows)) for piece in pieces])
        return outputs

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
        self.lengths = {task: np.zeros(len(rows), dtype=np.int64) for task, rows in train.items()}
        self.on_encoded = progress
        self.vectors: dict[int, Tensor] = {}
        for task, rows in train.items():
            self._vectors(task, rows)

    def _vectors(self, task: str, rows: Rows) -> Tensor:
        key = id(rows.sequences)  # splits live as long as the run
        if key not in self.vectors:
            pooling = self.model.tasks[task].pooling
            self.vectors[key] = sentence_vectors(self.model, rows.sequences, pooling, self.precision, self.on_encoded)
        return self.vectors[key]

    def outputs(self, pieces: Sequence[Piece]) -> list[HeadOutput]:
        """Return the head output of each piece, with its graph."""
        outputs = []
        for piece in pieces:
            rows = self.train[piece.task]
            vectors = self._vectors(piece.task, rows)[torch.from_numpy(rows.sequences.of(piece.rows))]
            outputs.append(self.model.head(piece.task)(vectors))
        return outputs

    def logits(self, task: str, rows: Rows) -> Tensor:
        """Return a task's logits (R, outputs) for rows of any split, dropout off, on the CPU."""
        return head_logits(self.model, task, rows.sequences, self._vectors(task, rows))
