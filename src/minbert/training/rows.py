"""The rows of one split of one task, ready for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from minbert.data.examples import Split
from minbert.display.progress import Display
from minbert.multitask.model import MultitaskModel
from minbert.multitask.sequences import Sequences
from minbert.training.kept_sequences import kept_sequences


@dataclass(frozen=True, slots=True)
class Rows:
    """``R`` rows: what to read, what to answer."""

    ids: Sequence[str]
    sequences: Sequences
    labels: NDArray[np.float64] | None
    """(R,) class numbers, 0/1 or scores; None where labels are withheld."""

    @classmethod
    def of_split(cls, model: MultitaskModel, task: str, split: Split, display: Display) -> Rows:
        """Return the rows of a file, tokenized for ``model``; see ``kept_sequences`` for those that the cache keeps."""
        columns = split.columns
        pair, reader = model.task(task).pair, model.reader
        with display.counting(f"tokenizing {task}") as bar:
            if split.key is None:
                sequences = reader.of_columns(task, pair, columns, bar.reached)
            else:
                tokenize = partial(reader.of_columns, task, pair, columns, bar.reached)
                sequences = kept_sequences(split, pair, reader, tokenize, display.note)
        return cls(split.ids, sequences, split.labels)

    def __len__(self) -> int:
        """Return R."""
        return len(self.ids)

    @property
    def known_labels(self) -> NDArray[np.float64]:
        """The labels of a split that has them."""
        assert self.labels is not None
        return self.labels
