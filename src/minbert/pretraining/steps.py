"""Where the steps of epochs end: after so many texts, or after as many as fit in so many tokens."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minbert.files.cache import cached_folder
from minbert.files.long_arrays import mapped
from minbert.pretraining.corpus_order import CorpusOrder
from minbert.randomness import Numbers

STEPS = "steps"
"""In the cache: a folder for each cutting of epochs by tokens."""

TEXTS_AT_ONCE = 2**16

_ENDS, _COUNTS = "ends.int64", "counts.int64"


class EpochSteps(ABC):
    """How many steps each epoch has, and at which place of its order each begins and ends."""

    @abstractmethod
    def count(self, epoch: int) -> int:
        """Return how many steps an epoch has."""

    @abstractmethod
    def span(self, epoch: int, step: int) -> tuple[int, int]:
        """Return where a step of an epoch begins, and where the next one does."""


class StepsOfTexts(EpochSteps):
    """Each step has ``texts`` texts, but for the last of an epoch of ``total``."""

    def __init__(self, total: int, texts: int) -> None:
        self.total = total
        self.texts = texts

    def count(self, epoch: int) -> int:  # noqa: ARG002
        """Return how many steps an epoch has."""
        return -(-self.total // self.texts)

    def span(self, epoch: int, step: int) -> tuple[int, int]:  # noqa: ARG002
        """Return where a step of an epoch begins, and where the next one does."""
        return step * self.texts, min((step + 1) * self.texts, self.total)


class StepsOfTokens(EpochSteps):
    """Each step has as many texts as fit in so many tokens; one that is longer is a step of its own.

    Where steps end is worked out once for all epochs and kept in the cache: it takes a look at the length of each text.
    """

    def __init__(
        self,
        order: CorpusOrder,
        lengths: Callable[[Numbers], Numbers],
        tokens: int,
        epochs: int,
        key: Sequence[object],
        advance: Callable[[int], None] = lambda done: None,  # noqa: ARG005
    ) -> None:
        """Cut the first ``epochs`` epochs of ``order``.

        Args:
            order: of the texts.
            lengths: gives texts' numbers of tokens.
            tokens: that a step has at most.
            epochs: how many there will be.
            key: all that lengths follow from.
            advance: called with the number of texts just looked at, if the cache has no answer.
        """

        def make(folder: Path) -> None:
            counts = np.zeros(epochs, np.int64)
            with (folder / _ENDS).open("wb") as file:
                for epoch in range(epochs):
                    for ends in _ends(order, lengths, tokens, epoch, advance):
                        file.write(ends.tobytes())
                        counts[epoch] += len(ends)
            (folder / _COUNTS).write_bytes(counts.tobytes())

        whole = [*key, dict(order.sizes), dict(order.counts), order.seed, tokens, epochs]
        folder = cached_folder(STEPS, hashlib.sha256(json.dumps(whole).encode()).hexdigest(), make)
        self._counts = mapped(folder / _COUNTS, np.int64)
        self._ends = mapped(folder / _ENDS, np.int64)
        self._first = np.concatenate([[0], self._counts.cumsum()])

    def count(self, epoch: int) -> int:
        """Return how many steps an epoch has."""
        return int(self._counts[epoch])

    def span(self, epoch: int, step: int) -> tuple[int, int]:
        """Return where a step of an epoch begins, and where the next one does."""
        place = int(self._first[epoch]) + step
        return int(self._ends[place - 1]) if step else 0, int(self._ends[place])


def _ends(
    order: CorpusOrder,
    lengths: Callable[[Numbers], Numbers],
    tokens: int,
    epoch: int,
    advance: Callable[[int], None],
) -> Iterator[NDArray[np.int64]]:
    """Yield where the steps of an epoch end, some at a time."""
    held: int | None = None  # tokens of the step that has begun, if one has
    for start in range(0, len(order), TEXTS_AT_ONCE):
        sums = lengths(order.texts(epoch, start, min(start + TEXTS_AT_ONCE, len(order)))).cumsum()
        ends = []
        place = before = 0
        while place < len(sums):
            fit = int(np.searchsorted(sums, before + tokens - (held or 0), side="right"))
            stop = fit if held is not None else max(place + 1, fit)
            if stop == len(sums):  # the next text may fit, too
                held = (held or 0) + int(sums[-1]) - before
                break
            ends.append(start + stop)
            held = None
            place, before = stop, int(sums[stop - 1]) if stop else 0
        yield np.array(ends, np.int64)
        advance(len(sums))
    if held is not None:
        yield np.array([len(order)])
