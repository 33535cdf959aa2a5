"""The network of several tasks: one encoder, one head a task, and what tasks share or keep apart between them.

It knows packed batches, no texts; ``model.py`` reads texts for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from minbert.encoder.encoder import Encoder, EncoderOutput, first_tokens
from minbert.encoder.pooling import Taken, mean_tokens_of_texts, pool
from minbert.errors import UserError
from minbert.multitask.adapters import Adapter, Adapters
from minbert.multitask.reading import find_task
from minbert.multitask.shared_layers import SharedLayer
from minbert.packed import PackedBatch
from minbert.tasks.heads import HeadOutput
from minbert.tasks.heads.base import HeadModule
from minbert.tasks.settings import TaskSettings


class Span(NamedTuple):
    """The next ``sequences`` sequences of a packed batch, which are one task's."""

    task: str
    sequences: int


class MultitaskNetwork(nn.Module):
    """One encoder with a head for each task.

    Weights that all tasks share are the encoder's, the shared adapter's and the shared layer's; a task's own are its
    head's and those of its adapter in ``adapters``.
    """

    def __init__(
        self,
        encoder: Encoder,
        tasks: Mapping[str, TaskSettings],
        adapters: Adapters | None = None,
        shared_layer: SharedLayer | None = None,
    ) -> None:
        """Build fresh heads over ``encoder``, and fresh adapters and a shared layer where they are asked for.

        The encoder's weights are to be trained unless the adapters say otherwise.

        Raises:
            UserError: a task wants the output of a pooler that the encoder does not have.
        """
        super().__init__()
        self.encoder = encoder
        self.tasks = dict(tasks)
        self.adapters_settings = adapters or Adapters.model_validate({})
        self.shared_layer_settings = shared_layer or SharedLayer.model_validate({})
        self.shared_layer = self.shared_layer_settings.build(encoder.config.hidden_size)
        for name, task in self.tasks.items():
            if task.taken == "pooler" and self.shared_layer is None and encoder.pooler is None:
                raise UserError(
                    f"tasks.{name}.pooling: the encoder has no pooler. Use 'mean' or 'cls', or an encoder with one."
                )
        self.vector_width = encoder.config.hidden_size if self.shared_layer is None else self.shared_layer.width
        self.heads = nn.ModuleDict(
            {name: task.head.build(self.vector_width, task.kind, task.pair) for name, task in self.tasks.items()}
        )
        private = self.adapters_settings.private
        self.shared_adapter = None if private else self.adapters_settings.build(encoder.config)
        own = {name: self.adapters_settings.build(encoder.config) for name in self.tasks if private}
        self.adapters = nn.ModuleDict({name: adapter for name, adapter in own.items() if adapter is not None})
        encoder.requires_grad_(self.adapters_settings.trains_encoder)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def head(self, task: str) -> HeadModule:
        """Return a task's head."""
        module = self.heads[task]
        assert isinstance(module, HeadModule)
        return module

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that all tasks train together."""
        shared = (self.encoder, self.shared_adapter, self.shared_layer)
        parameters = [parameter for module in shared if module is not None for parameter in module.parameters()]
        return [parameter for parameter in parameters if parameter.requires_grad]

    def fresh_modules(self) -> nn.ModuleList:
        """Return all modules but the encoder: those whose weights begin at random."""
        modules = (self.heads, self.adapters, self.shared_adapter, self.shared_layer)
        return nn.ModuleList(module for module in modules if module is not None)

    def private_parameters(self, task: str) -> list[nn.Parameter]:
        """Return the parameters that only ``task`` trains: its head's and its adapter's."""
        adapter = self.adapters[task].parameters() if task in self.adapters else ()
        return [*self.head(task).parameters(), *adapter]

    def read(
        self,
        batch: PackedBatch,
        spans: Sequence[Span] | None,
        *,
        word_embeddings: Tensor | None = None,
        only_first: bool = False,
    ) -> EncoderOutput:
        """Return what is to be pooled of each sequence.

        Args:
            batch: on the model's device.
            spans: whose sequences they are, in order: they go through their own task's adapter and the shared layer.
                None is for no task in particular: the encoder alone, with the adapter that all tasks share.
            word_embeddings: (T, hidden), to take the place of the encoder's own.
            only_first: whether the hidden states of first tokens, (N, hidden), are all that is wanted.
        """
        adapters: list[Adapter] = []
        tokens = [len(batch.token_ids)]
        if self.shared_adapter is not None:
            adapters = [self.shared_adapter]
        elif spans is not None and len(self.adapters):
            adapters = [self.adapters[span.task] for span in spans]  # type: ignore[misc]  # they are Adapters
            ends = np.cumsum([span.sequences for span in spans])
            tokens = np.diff(batch.offsets.numpy()[ends], prepend=0).tolist()
        adaptations = adapters[0].adaptations(adapters, batch, tokens) if adapters else None
        above = None if spans is None else self.shared_layer
        output: EncoderOutput = self.encoder(
            batch,
            word_embeddings=word_embeddings,
            adaptations=adaptations,
            only_first=only_first and above is None,
        )
        if above is None:
            return output
        states, pooled = above(output.hidden_states, batch.offsets)
        return EncoderOutput(first_tokens(states, batch.offsets) if only_first else states, pooled)

    def pooled(
        self,
        batch: PackedBatch,
        spans: Sequence[Span] | None,
        wanted: Collection[Taken],
        *,
        word_embeddings: Tensor | None = None,
    ) -> dict[Taken, Tensor]:
        """Return what is taken of the sequences, each (N, hidden), or (N, 2 hidden) for ``texts``; see ``read``.

        Where no kind needs the states of all tokens, those of the first are all that the last layer computes.
        """
        only_first = not {"mean", "texts"} & set(wanted)
        output = self.read(batch, spans, word_embeddings=word_embeddings, only_first=only_first)
        offsets = torch.arange(len(batch.offsets)) if only_first else batch.offsets
        return {
            how: mean_tokens_of_texts(output.hidden_states, batch.segment_ids, offsets)
            if how == "texts"
            else pool(output, offsets, how)
            for how in wanted
        }

    def forward(
        self, batch: PackedBatch, spans: Sequence[Span], *, word_embeddings: Tensor | None = None
    ) -> list[HeadOutput]:
        """Return the head output of each span; see ``vectors``."""
        vectors = self.vectors(batch, spans, word_embeddings=word_embeddings)
        return [self.head(span.task)(own) for span, own in zip(spans, vectors, strict=True)]

    def vectors(
        self, batch: PackedBatch, spans: Sequence[Span], *, word_embeddings: Tensor | None = None
    ) -> list[Tensor]:
        """Return the sentence vectors that each span's head sees: (N, hidden) or, of ``joint`` pairs, (N, 2 hidden).

        ``batch`` holds the spans' sequences in order. A span is of whole rows: all (first) texts, then the second texts
        of a ``bi`` pair. All of them go through the encoder in one call. ``word_embeddings`` (T, hidden) take the place
        of the encoder's own.
        """
        counts = [span.sequences for span in spans]
        taken = [self.tasks[span.task].taken for span in spans]
        vectors = self.pooled(batch, spans, dict.fromkeys(taken), word_embeddings=word_embeddings)
        split = {how: torch.split(pooled, counts) for how, pooled in vectors.items()}
        return [split[how][index] for index, how in enumerate(taken)]

    def read_as(self, task: str) -> str | None:
        """Return the task as which sequences go through the network for ``task``, None for the encoder alone.

        Tasks that are read as the same one see the same states, so one pass serves all of them.
        """
        if task in self.adapters:
            return task
        return None if self.shared_layer is None else next(iter(self.tasks))

    def task(self, name: str) -> TaskSettings:
        """Return a task's settings.

        Raises:
            UserError: the model has no such task.
        """
        return find_task(self.tasks, name)
