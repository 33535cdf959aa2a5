"""The rows of one split of one task, ready for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minbert.data.examples import Split
from minbert.multitask.model import MultitaskModel
from minbert.multitask.sequences import Sequences


@dataclass(frozen=True, slots=True)
class Rows:
    """``R`` rows: what to read, what to answer."""

    ids: Sequence[str]
    sequences: Sequences
    labels: NDArray[np.float64] | None
    """(R,) class numbers, 0/1 or scores; None where labels are withheld."""

    @classmethod
    def of_split(cls, model: MultitaskModel, task: str, split: Split) -> Rows:
        """Return the rows of a file, tokenized for ``model``."""
        columns = [split.first] if split.second is None else [split.first, split.second]
        return cls(split.ids, model.reader.of_columns(task, model.task(task).pair, columns), split.labels)

    def __len__(self) -> int:
        """Return R."""
        return len(self.ids)

    @property
    def known_labels(self) -> NDArray[np.float64]:
        """The labels of a split that has them."""
        assert self.labels is not None
        return self.labels
