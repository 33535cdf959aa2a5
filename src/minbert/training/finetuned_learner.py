"""The learner whose encoder is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from minbert.machine.precision import mixed_precision
from minbert.machine.ranks import ranks
from minbert.multitask.inference import Progress, sentence_vectors, task_logits
from minbert.multitask.network import Span
from minbert.multitask.regularization import Passes, TwinPasses
from minbert.multitask.sequences import Indices
from minbert.packed import PackedBatch, concatenate
from minbert.tasks.heads import HeadOutput
from minbert.training.gradient_cache import add_cached_gradients
from minbert.training.learner import Learner
from minbert.training.micro_batches import TaskRows, micro_batches
from minbert.training.rows import Rows
from minbert.training.shards import Shards


class FinetunedLearner(Learner):
    """The encoder is trained: every step runs it, all tasks of a micro-batch in one call.

    Two kinds of rows have calls of their own: those of a task whose regularization repeats its pass with a difference,
    and those that a loss compares and that are not read together, whose gradients are cached.
    """

    def add_gradients(self, micro_batch: Sequence[TaskRows], factors: Sequence[float]) -> list[Tensor]:
        """Add the gradient of a micro-batch to the parameters; see ``Learner.add_gradients``."""
        losses: dict[int, Tensor] = {}
        together = []
        for index, rows in enumerate(micro_batch):
            if rows.task in self.regularizing and not self.regularizing.twin(rows.task):
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

    def add_compared(self, rows: TaskRows, factor: float, shards: Shards) -> Tensor:
        """Add this rank's part of the gradient of rows that the loss compares; see ``Learner.add_compared``."""
        task, losses = rows.task, []
        batches = {
            shard: [
                self._packed(own).to(self.model.device)
                for [own] in micro_batches(shards.rows({task: rows.numbers}, self.held, shard), self.held, self.budget)
            ]
            for shard in shards.own()
        }

        def loss(output: HeadOutput) -> Tensor:
            losses.append(self.loss(rows, output))
            return factor * losses[0]

        def penalty(passes: Passes, share: float) -> Tensor:
            return factor * share * self.regularizing.penalty(passes, task, share)

        precision = self.regularizing.precision(task, self.precision)
        regularized = penalty if task in self.regularizing else None
        add_cached_gradients(
            self.model, task, batches, lambda *names: shards.draw(task, *names), precision, loss, regularized
        )
        return losses[0].detach() * ranks().first

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
