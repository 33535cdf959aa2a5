"""The multi-task model: a network, the tokenizer that reads for it, and the verbs that people know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from minbert.encoder.encoder import Encoder
from minbert.encoder.pooling import Pooling
from minbert.errors import UserError
from minbert.files.paths import to_path
from minbert.machine.precision import Precision
from minbert.multitask.adapters import Adapters
from minbert.multitask.inference import (
    NotFiniteAnswersError,
    predictions_of_tasks,
    sentence_vectors,
    task_predictions,
)
from minbert.multitask.model_files import load_weights, read_description, save_description, save_weights
from minbert.multitask.network import MultitaskNetwork
from minbert.multitask.reading import TextReader
from minbert.multitask.sequences import Sequences
from minbert.multitask.shared_layers import SharedLayer
from minbert.multitask.texts import Text, check_choice, single_texts
from minbert.tasks.predictions import Predictions
from minbert.tasks.settings import TaskSettings
from minbert.text.template import Template
from minbert.text.tokenizer import Tokenizer


class MultitaskModel(MultitaskNetwork):
    """One encoder with a head for each task, and the tokenizer that reads for it."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        tasks: Mapping[str, TaskSettings],
        max_length: int,
        adapters: Adapters | None = None,
        shared_layer: SharedLayer | None = None,
    ) -> None:
        """Build the network; see ``MultitaskNetwork``.

        Sequences are cut to ``max_length`` tokens, special ones included.
        """
        super().__init__(encoder, tasks, adapters, shared_layer)
        self.tokenizer = tokenizer
        self.max_length = min(max_length, encoder.longest)

    @classmethod
    def from_pretrained(cls, source: str | Path, revision: str | None = None) -> Self:
        """Load a model from a run's folder, or from the hub by its id.

        ``revision`` is a branch, a tag or a commit on the hub: the one that ``minbert push`` prints, for example.

        Raises:
            UserError: there is no such model or revision, or its files are damaged or of another kind.
        """
        found = read_description(str(source), revision)
        model = cls(found.encoder, found.tokenizer, found.tasks, found.max_length, found.adapters, found.shared_layer)
        load_weights(model, found.weights)
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write weights, configuration and tokenizer; ``transformers.AutoModel`` loads the encoder from there too.

        Raises:
            UserError: no folder can have this name, or it cannot be written to.
        """
        place = to_path(str(folder))
        if place.is_file():
            raise UserError(f"{place}: is a file; give a folder.")
        self.save_description(place)
        save_weights(self, place)

    def save_description(self, folder: str | Path) -> None:
        """Write all of the model's files but the weights."""
        save_description(self, self.tokenizer, self.max_length, Path(folder))

    def predict(self, task: str, texts: Iterable[Text], precision: Precision = "fp32") -> Predictions:
        """Return one task's predictions for ``texts``: strings, or pairs of strings for a task on pairs.

        Raises:
            UserError: the model has no such task, or the texts are not of its form.
        """
        check_choice("precision", precision, get_args(Precision))
        return task_predictions(self, task, self.sequences(task, texts), precision)

    def encode(
        self, texts: Iterable[str], pooling: Pooling = "mean", precision: Precision = "fp32"
    ) -> NDArray[np.float32]:
        """Return the sentence vectors of ``texts``, (N, hidden); repeated texts are computed once.

        They are the encoder's, for no task in particular: tasks' own adapters and the shared layer have no part in it.

        Raises:
            UserError: ``texts`` is not a list, an array or the like of strings.
        """
        check_choice("pooling", pooling, get_args(Pooling))
        check_choice("precision", precision, get_args(Precision))
        checked = single_texts(texts)
        if not checked:
            return np.zeros((0, self.encoder.config.hidden_size), dtype=np.float32)
        return self.row_vectors(self.single_texts(checked), pooling, precision)

    def row_vectors(self, sequences: Sequences, pooling: Pooling, precision: Precision) -> NDArray[np.float32]:
        """Return the vector of each row (N, hidden) of ``single_texts``; see ``encode``."""
        vectors = sentence_vectors(self, sequences, pooling, precision)
        vectors = vectors[torch.from_numpy(sequences.of(np.arange(len(sequences.rows))))]
        if not vectors.isfinite().all():
            raise NotFiniteAnswersError("sentence vectors", vectors)
        return vectors.cpu().numpy()

    def predictions(
        self, tasks: Sequence[str], sequences: Sequences, precision: Precision = "fp32"
    ) -> list[Predictions]:
        """Return each task's predictions for the rows of ``sequences``; see ``predictions_of_tasks``."""
        return predictions_of_tasks(self, tasks, sequences, precision)

    def single_texts(self, texts: Iterable[str]) -> Sequences:
        """Tokenize ``texts``, each a row by itself, for no task in particular."""
        return self.reader.single_texts(texts)

    def sequences(self, task: str, texts: Iterable[Text]) -> Sequences:
        """Tokenize ``texts`` for a task.

        Raises:
            UserError: the texts are not of the form that the task takes.
        """
        return self.reader.of_task(task, self.task(task).pair, texts)

    @property
    def hidden_size(self) -> int:
        """The numbers of a token's state, and of a sentence vector."""
        return self.encoder.config.hidden_size

    @property
    def reader(self) -> TextReader:
        """How texts become sequences."""
        return TextReader(self.tokenizer, self.template, self.max_length)

    @property
    def template(self) -> Template:
        """The special tokens that frame every sequence."""
        return self.encoder.architecture.template(self.tokenizer)
