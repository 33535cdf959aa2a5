"""The learner whose encoder is frozen: only heads are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from minbert.machine.precision import Precision, mixed_precision
from minbert.machine.ranks import ranks
from minbert.multitask.inference import Progress, head_logits, sentence_vectors
from minbert.multitask.model import MultitaskModel
from minbert.multitask.sequences import Indices
from minbert.training.learner import Learner
from minbert.training.micro_batches import TaskRows
from minbert.training.rows import Rows
from minbert.training.shards import Shards


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

    def add_compared(self, rows: TaskRows, factor: float, shards: Shards) -> Tensor:
        """Add the gradient of rows that the loss compares on the first rank, which has their vectors, as all have."""
        if not ranks().first:
            return torch.zeros((), device=self.model.device)
        shards.draw(rows.task, "head")
        [loss] = self.add_gradients([rows], [factor])
        return loss

    def training_vectors(self, task: str, rows: Indices, progress: Progress) -> Tensor:  # noqa: ARG002
        """Take the vectors that are there; see ``Learner.training_vectors``."""
        train = self.train[task]
        return self._vectors(task, train)[torch.from_numpy(train.sequences.of(rows))]

    def logits(self, task: str, rows: Rows) -> Tensor:
        """Return a task's logits (R, outputs) for rows of any split, dropout off, on the CPU."""
        return head_logits(self.model, task, rows.sequences, self._vectors(task, rows))
