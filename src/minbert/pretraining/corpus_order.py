"""The order of texts in pretraining: how often each corpus comes, and which texts make a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from minbert.randomness import generator

Numbers = NDArray[np.int64]


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
    """Which texts make which step. Texts are numbered through all corpora, one after the other.

    Within a corpus no text comes twice before all have come once, however epochs fall. Everything follows from the
    seed, so any epoch can be had without those before it.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        counts: Mapping[str, int],
        lengths: Numbers,
        seed: int,
        *,
        texts: int,
        tokens: int | None,
    ) -> None:
        """Order the texts of corpora of ``sizes``, of which an epoch has ``counts`` each.

        Args:
            sizes: texts of each corpus.
            counts: see ``epoch_counts``.
            lengths: (all texts,) tokens of each.
            seed: of the run.
            texts: so many make a step, unless ``tokens`` are given.
            tokens: a step is as many texts as fit in so many tokens; one that is longer is a step of its own.
        """
        self.sizes = sizes
        self.counts = counts
        self.lengths = lengths
        self.seed = seed
        self.texts = texts
        self.tokens = tokens

    def epoch(self, number: int) -> Numbers:
        """Return the texts of an epoch (counted from 0) in their order, long and short ones as they fall."""
        chosen = []
        first = 0
        for name, size in self.sizes.items():
            count = self.counts[name]
            places = np.arange(number * count, (number + 1) * count)
            passes = np.arange(places[0] // size, places[-1] // size + 1)
            orders = [generator(self.seed, "corpus order", name, int(turn)).permutation(size) for turn in passes]
            chosen.append(first + np.concatenate(orders)[places - passes[0] * size])
            first += size
        return generator(self.seed, "epoch order", number).permutation(np.concatenate(chosen))

    def steps(self, number: int) -> Iterator[Numbers]:
        """Yield an epoch's steps, each the numbers of its texts; the last may be small."""
        order = self.epoch(number)
        if self.tokens is None:
            yield from (order[start : start + self.texts] for start in range(0, len(order), self.texts))
            return
        ends = self.lengths[order].cumsum()
        start = 0
        while start < len(order):
            done = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + self.tokens, side="right")))
            yield order[start:stop]
            start = stop

    def steps_in(self, epochs: int) -> list[int]:
        """Return how many steps each of the first ``epochs`` epochs has."""
        if self.tokens is None:
            return [-(-sum(self.counts.values()) // self.texts)] * epochs
        return [sum(1 for _ in self.steps(number)) for number in range(epochs)]
