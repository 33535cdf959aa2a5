"""One task's batch and its forward passes: the one that its loss is taken of, and those that regularizers compare."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property

import torch
from torch import Tensor
from torch.func import functional_call

from minbert.encoder.dropout import GeneratorState
from minbert.machine.precision import Precision, mixed_precision
from minbert.multitask.model import MultitaskModel
from minbert.multitask.network import Span
from minbert.packed import PackedBatch
from minbert.tasks.heads import HeadOutput


class Passes:
    """The forward pass of a batch of ``R`` rows of one task, and the same again with a difference.

    Attributes:
        vectors: (N, hidden) the sentence vectors of the first pass.
        clean: the head output of the first pass.
    """

    def __init__(
        self,
        model: MultitaskModel,
        task: str,
        batch: PackedBatch,
        precision: Precision,
        masks: GeneratorState | None = None,
    ) -> None:
        """Run ``batch``, on the model's device, through the encoder and the head of ``task``.

        ``masks`` is where that pass takes its dropout masks from; it draws new ones, as any pass does, where not given.
        """
        self._model = model
        self._task = task
        self._batch = batch
        self._spans = [Span(task, len(batch))]
        self._precision = precision
        self._masks = GeneratorState(model.device) if masks is None else masks
        with nullcontext() if masks is None else masks.replayed(), mixed_precision(model.device, precision):
            [self.vectors] = model.vectors(batch, self._spans)
            self.clean: HeadOutput = model.head(task)(self.vectors)

    def again(self, perturbation: Tensor | None = None, weights: Mapping[str, Tensor] | None = None) -> HeadOutput:
        """Return the head output of another pass with the dropout masks of the first, which leaves no other trace.

        Args:
            perturbation: (T, hidden), added to the word embeddings.
            weights: by name, to take the place of the model's own.
        """
        with self._masks.replayed():
            return self._run(perturbation, weights)

    def anew(self) -> HeadOutput:
        """Return the head output of another pass, with new dropout masks."""
        return self._run(None, None)

    def divergences(self, one: HeadOutput, other: HeadOutput) -> Tensor:
        """Return how far two predictions lie apart, (R,): see ``TaskSettings.divergences``."""
        return self._model.tasks[self._task].divergences(one, other)

    def constant(self) -> HeadOutput:
        """Return the head output of the first pass without its graph."""
        vectors = None if self.clean.vectors is None else tuple(vector.detach() for vector in self.clean.vectors)
        class_logits = None if self.clean.class_logits is None else self.clean.class_logits.detach()
        return HeadOutput(self.clean.logits.detach(), vectors, class_logits)

    def noise(self, standard_deviation: float) -> Tensor:
        """Return independent normal numbers, one for each of the word embeddings' (T, hidden), fp32.

        They are drawn from torch's default generator.
        """
        shape = (len(self._batch.token_ids), self._model.encoder.embeddings.word.embedding_dim)
        return torch.randn(shape, device=self._batch.token_ids.device) * standard_deviation

    def text_tokens(self) -> Tensor:
        """Return which tokens (T,) are text: all but the special ones around it."""
        special = torch.tensor(self._model.template.ids, device=self._batch.token_ids.device)
        return torch.isin(self._batch.token_ids, special, invert=True)

    @cached_property
    def row_of_token(self) -> Tensor:
        """(T,): the row that each token belongs to, whichever of its texts it stands in."""
        # All first texts come first, then all second ones.
        rows = torch.arange(self._rows).repeat(len(self._batch) // self._rows)
        return rows.repeat_interleave(self._batch.lengths).to(self._batch.token_ids.device, non_blocking=True)

    @property
    def _rows(self) -> int:
        return len(self._batch) // self._model.tasks[self._task].sequences_per_row

    def largest(self, values: Tensor) -> Tensor:
        """Return the largest absolute value (R,) among all ``values`` (T, hidden) of each row's tokens."""
        largest = values.new_zeros(self._rows)
        return largest.scatter_reduce(0, self.row_of_token, values.abs().amax(-1), "amax")

    def _run(self, perturbation: Tensor | None, weights: Mapping[str, Tensor] | None) -> HeadOutput:
        model, words = self._model, None
        with mixed_precision(model.device, self._precision):
            if perturbation is not None:
                words = model.encoder.word_embeddings(self._batch) + perturbation
            arguments = (self._batch, self._spans)
            outputs: list[HeadOutput] = functional_call(
                model, dict(weights or {}), arguments, {"word_embeddings": words}
            )
        return outputs[0]


class TwinPasses(Passes):
    """Two passes of the same rows that ran in one call: ``clean``, and what ``anew`` returns. There is no other."""

    def __init__(self, model: MultitaskModel, task: str, clean: HeadOutput, twin: HeadOutput) -> None:
        """Take the head outputs of both."""
        self._model = model
        self._task = task
        self.clean = clean
        self._twin = twin

    def anew(self) -> HeadOutput:
        """Return the head output of the second pass."""
        return self._twin
