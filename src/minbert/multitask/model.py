"""The multi-task model: one encoder, one head a task, and the verbs that people know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from minbert.encoder.bert import BertEncoder
from minbert.encoder.pooling import Pooling, pool
from minbert.errors import UserError, did_you_mean
from minbert.multitask.precision import Precision
from minbert.multitask.sequences import Sequences
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


class MultitaskModel(nn.Module):
    """One BERT encoder with a head for each task, and the tokenizer that reads for it."""

    def __init__(
        self,
        encoder: BertEncoder,
        tokenizer: Tokenizer,
        tasks: Mapping[str, TaskSettings],
        max_length: int,
    ) -> None:
        """Build fresh heads over ``encoder``; sequences are cut to ``max_length`` tokens, special ones included."""
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.tasks = dict(tasks)
        self.max_length = min(max_length, encoder.config.max_positions)
        self.heads = nn.ModuleDict(
            {name: task.head.build(encoder.config.hidden_size, task, task.pair) for name, task in self.tasks.items()}
        )

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

    def forward(
        self, batch: PackedBatch, parts: Sequence[Part], *, word_embeddings: Tensor | None = None
    ) -> list[HeadOutput]:
        """Return the head output of each part; see ``vectors``."""
        vectors = self.vectors(batch, parts, word_embeddings=word_embeddings)
        return [self.head(part.task)(own) for part, own in zip(parts, vectors, strict=True)]

    def vectors(
        self, batch: PackedBatch, parts: Sequence[Part], *, word_embeddings: Tensor | None = None
    ) -> list[Tensor]:
        """Return the sentence vectors of each part, (N, hidden): what its head sees.

        ``batch`` holds the parts' sequences in order: of each part all (first) texts, then the second texts of a
        ``bi`` pair. All of them go through the encoder in one call. ``word_embeddings`` (T, hidden) take the place of
        the encoder's own.
        """
        output = self.encoder(batch, word_embeddings=word_embeddings)
        counts = [part.rows * self.tasks[part.task].sequences_per_row for part in parts]
        pooled: dict[Pooling, Sequence[Tensor]] = {
            how: torch.split(pool(output, batch.offsets, how), counts)
            for how in {self.tasks[part.task].pooling for part in parts}
        }
        return [pooled[self.tasks[part.task].pooling][index] for index, part in enumerate(parts)]

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
        """Return the sentence vectors of ``texts``, (N, hidden); repeated texts are computed once."""
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
