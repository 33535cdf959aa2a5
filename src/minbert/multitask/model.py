"""The multi-task model: one encoder, one head a task, and the verbs that people know."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from minbert.encoder.bert import BertEncoder, EncoderOutput, first_tokens
from minbert.encoder.pooling import Pooling, Taken, mean_tokens_of_texts, pool
from minbert.errors import UserError, did_you_mean
from minbert.machine.precision import Precision
from minbert.multitask.adapters import Adapter, Adapters
from minbert.multitask.sequences import Sequences
from minbert.multitask.shared_layers import SharedLayer
from minbert.packed import PackedBatch
from minbert.tasks.heads import HeadOutput
from minbert.tasks.heads.base import HeadModule
from minbert.tasks.predictions import Predictions, predictions
from minbert.tasks.settings import TaskSettings
from minbert.text.packing import SpecialTokens
from minbert.text.token_table import TokenTable
from minbert.text.tokenizer import Tokenizer

Text = str | tuple[str, str]
"""What a row is made of: a text, or the two texts of a pair."""


class Part(NamedTuple):
    """One task's share of a packed batch: its next ``rows`` rows."""

    task: str
    rows: int


class Share(NamedTuple):
    """One task's share of a packed batch: its next ``sequences`` sequences."""

    task: str
    sequences: int


class MultitaskModel(nn.Module):
    """One BERT encoder with a head for each task, and the tokenizer that reads for it.

    Weights that all tasks share are the encoder's, the shared adapter's and the shared layer's; a task's own are its
    head's and those of its adapter in ``adapters``.
    """

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Tokenizer,
        tasks: Mapping[str, TaskSettings],
        max_length: int,
        adapters: Adapters | None = None,
        shared_layer: SharedLayer | None = None,
    ) -> None:
        """Build fresh heads over ``encoder``, and fresh adapters and a shared layer where they are asked for.

        Sequences are cut to ``max_length`` tokens, special ones included. The encoder's weights are to be trained
        unless the adapters say otherwise.
        """
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.tasks = dict(tasks)
        self.max_length = min(max_length, encoder.config.max_positions)
        self.adapters_settings = adapters or Adapters.model_validate({})
        self.shared_layer_settings = shared_layer or SharedLayer.model_validate({})
        self.shared_layer = self.shared_layer_settings.build(encoder.config.hidden_size)
        self.vector_width = encoder.config.hidden_size if self.shared_layer is None else self.shared_layer.width
        self.heads = nn.ModuleDict(
            {name: task.head.build(self.vector_width, task, task.pair) for name, task in self.tasks.items()}
        )
        private = self.adapters_settings.private
        self.shared_adapter = None if private else self.adapters_settings.build(encoder.config)
        own = {name: self.adapters_settings.build(encoder.config) for name in self.tasks if private}
        self.adapters = nn.ModuleDict({name: adapter for name, adapter in own.items() if adapter is not None})
        encoder.requires_grad_(self.adapters_settings.trains_encoder)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> MultitaskModel:
        """Load a model from a run's folder, or from the hub by its id.

        Raises:
            UserError: there is no such model, or its files are damaged or of another kind.
        """
        from minbert.multitask.model_files import load_model

        return load_model(str(source))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write weights, configuration and tokenizer; ``transformers.AutoModel`` loads the encoder from there too."""
        from minbert.multitask.model_files import save_model

        save_model(self, Path(folder))

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
        shares: Sequence[Share] | None,
        *,
        word_embeddings: Tensor | None = None,
        only_first: bool = False,
    ) -> EncoderOutput:
        """Return what is to be pooled of each sequence.

        Args:
            batch: on the model's device.
            shares: whose sequences they are, in order: they go through their own task's adapter and the shared layer.
                None is for no task in particular: the encoder alone, with the adapter that all tasks share.
            word_embeddings: (T, hidden), to take the place of the encoder's own.
            only_first: whether the hidden states of first tokens, (N, hidden), are all that is wanted.
        """
        adapters: list[Adapter] = []
        tokens = [len(batch.token_ids)]
        if self.shared_adapter is not None:
            adapters = [self.shared_adapter]
        elif shares is not None and len(self.adapters):
            adapters = [self.adapters[share.task] for share in shares]  # type: ignore[misc]  # they are Adapters
            ends = np.cumsum([share.sequences for share in shares])
            tokens = np.diff(batch.offsets.numpy()[ends], prepend=0).tolist()
        adaptations = adapters[0].adaptations(adapters, batch, tokens) if adapters else None
        above = None if shares is None else self.shared_layer
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
        shares: Sequence[Share] | None,
        wanted: Collection[Taken],
        *,
        word_embeddings: Tensor | None = None,
    ) -> dict[Taken, Tensor]:
        """Return what is taken of the sequences, each (N, hidden), or (N, 2 hidden) for ``texts``; see ``read``.

        Where no kind needs the states of all tokens, those of the first are all that the last layer computes.
        """
        only_first = not {"mean", "texts"} & set(wanted)
        output = self.read(batch, shares, word_embeddings=word_embeddings, only_first=only_first)
        offsets = torch.arange(len(batch.offsets)) if only_first else batch.offsets
        return {
            how: mean_tokens_of_texts(output.hidden_states, batch.segment_ids, offsets)
            if how == "texts"
            else pool(output, offsets, how)
            for how in wanted
        }

    def forward(
        self, batch: PackedBatch, parts: Sequence[Part], *, word_embeddings: Tensor | None = None
    ) -> list[HeadOutput]:
        """Return the head output of each part; see ``vectors``."""
        vectors = self.vectors(batch, parts, word_embeddings=word_embeddings)
        return [self.head(part.task)(own) for part, own in zip(parts, vectors, strict=True)]

    def vectors(
        self, batch: PackedBatch, parts: Sequence[Part], *, word_embeddings: Tensor | None = None
    ) -> list[Tensor]:
        """Return the sentence vectors that each part's head sees: (N, hidden) or, of ``joint`` pairs, (N, 2 hidden).

        ``batch`` holds the parts' sequences in order: of each part all (first) texts, then the second texts of a
        ``bi`` pair. All of them go through the encoder in one call. ``word_embeddings`` (T, hidden) take the place of
        the encoder's own.
        """
        counts = [part.rows * self.tasks[part.task].sequences_per_row for part in parts]
        shares = [Share(part.task, count) for part, count in zip(parts, counts, strict=True)]
        taken = [self.tasks[part.task].taken for part in parts]
        vectors = self.pooled(batch, shares, dict.fromkeys(taken), word_embeddings=word_embeddings)
        split = {how: torch.split(pooled, counts) for how, pooled in vectors.items()}
        return [split[how][index] for index, how in enumerate(taken)]

    def predict(self, task: str, texts: Sequence[Text], precision: Precision = "fp32") -> Predictions:
        """Return one task's predictions for ``texts``: strings, or pairs of strings for a task on pairs.

        Raises:
            UserError: the model has no such task, or the texts are not of its form.
        """
        from minbert.multitask.inference import task_logits

        settings = self.task(task)
        return predictions(task_logits(self, task, self.sequences(task, texts), precision), settings)

    def encode(
        self, texts: Sequence[str], pooling: Pooling = "mean", precision: Precision = "fp32"
    ) -> NDArray[np.float32]:
        """Return the sentence vectors of ``texts``, (N, hidden); repeated texts are computed once.

        They are the encoder's, for no task in particular: tasks' own adapters and the shared layer have no part in it.
        """
        from minbert.multitask.inference import sentence_vectors

        if not len(texts):
            return np.zeros((0, self.encoder.config.hidden_size), dtype=np.float32)
        table, numbers = TokenTable.from_texts(texts, self.tokenizer)
        sequences = Sequences.of_rows(table, numbers, None, None, self.special_tokens, self.max_length)
        vectors = sentence_vectors(self, sequences, pooling, precision)
        return vectors[torch.from_numpy(sequences.of(np.arange(len(texts))))].cpu().numpy()

    def task(self, name: str) -> TaskSettings:
        """Return a task's settings.

        Raises:
            UserError: the model has no such task.
        """
        if name not in self.tasks:
            known = ", ".join(self.tasks)
            raise UserError(f"the model has no task '{name}'{did_you_mean(name, self.tasks)}; it has: {known}.")
        return self.tasks[name]

    def sequences(self, task: str, texts: Sequence[Text]) -> Sequences:
        """Tokenize ``texts`` for a task.

        Raises:
            UserError: the task wants pairs and got single texts, or the other way round.
        """
        pair = self.task(task).pair
        for number, text in enumerate(texts, start=1):
            if isinstance(text, str) == (pair is not None):
                wanted, got = ("pairs of texts", "one text") if pair else ("single texts", "a pair")
                raise UserError(f"task '{task}' takes {wanted}; input {number} is {got}.")
        if not len(texts):
            raise UserError(f"task '{task}': there are no texts to predict.")
        firsts = [text if isinstance(text, str) else text[0] for text in texts]
        seconds = [text[1] for text in texts if not isinstance(text, str)]
        table, numbers = TokenTable.from_texts(firsts + seconds, self.tokenizer)
        first, second = numbers[: len(firsts)], numbers[len(firsts) :] if pair else None
        return Sequences.of_rows(table, first, second, pair, self.special_tokens, self.max_length)

    @property
    def special_tokens(self) -> SpecialTokens:
        """The ids that frame every sequence."""
        return SpecialTokens(self.tokenizer.classification_id, self.tokenizer.separator_id)
