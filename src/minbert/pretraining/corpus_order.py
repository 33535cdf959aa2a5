"""The order of texts in pretraining: how often each corpus comes in an epoch, and which text stands at which place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minbert.randomness import Numbers, Permutation


def epoch_counts(sizes: Mapping[str, int], weights: Mapping[str, float], power: float) -> dict[str, int]:
    """Return how many texts of each corpus an epoch has: as many in all as there are, shared out by the balance.

    A corpus of ``n`` texts gets a share in proportion to ``weight * n ** power``: with a power of 1 as they come, with
    0 all alike (Devlin's multilingual BERT smoothed its languages so, with 0.7). Fractions go to the largest
    remainders, and every corpus gets one text at least.
    """
    names = list(sizes)
    claims = np.array([weights[name] * sizes[name] ** power for name in names])
    exact = claims / claims.sum() * sum(sizes.values())
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: max(0, sum(sizes.values()) - int(counts.sum()))]] += 1
    return {name: max(1, int(count)) for name, count in zip(names, counts, strict=True)}


class CorpusOrder:
    """Which text stands where in which epoch. Texts are numbered through all corpora, one after the other.

    Within a corpus no text comes twice before all have come once, however epochs fall. Everything follows from the
    seed and is computed where it is asked for (see ``Permutation``): any part of any epoch, without those before it.
    """

    def __init__(self, sizes: Mapping[str, int], counts: Mapping[str, int], seed: int) -> None:
        """Order the texts of corpora of ``sizes``, of which an epoch has ``counts`` each (see ``epoch_counts``)."""
        self.sizes = sizes
        self.counts = counts
        self.seed = seed
        self._mixed = Permutation(len(self), seed, "epoch order")
        self._of_corpora = {name: Permutation(size, seed, "corpus order", name) for name, size in sizes.items()}

    def __len__(self) -> int:
        """Return how many texts an epoch has."""
        return sum(self.counts.values())

    def texts(self, epoch: int, start: int, stop: int) -> Numbers:
        """Return the texts at places ``start`` to ``stop`` of an epoch (counted from 0), as they fall."""
        drawn = self._mixed(np.arange(start, stop), epoch)
        numbers = np.empty_like(drawn)
        first_drawn = first = 0
        for name, size in self.sizes.items():
            count = self.counts[name]
            places = np.flatnonzero((drawn >= first_drawn) & (drawn < first_drawn + count))
            turns, within = np.divmod(epoch * count + drawn[places] - first_drawn, size)
            numbers[places] = first + self._of_corpora[name](within, turns)
            first_drawn += count
            first += size
        return numbers
