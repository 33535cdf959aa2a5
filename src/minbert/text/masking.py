"""Hiding tokens of a packed batch for masked language modelling (Devlin et al. 2019, task 1 of section 3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from minbert.methods import Settings
from minbert.packed import PackedBatch
from minbert.text.tokenizer import Tokenizer


class MaskingSettings(Settings):
    """Which tokens are hidden, and what stands in their place. The defaults are BERT's."""

    share: float = Field(0.15, gt=0, lt=1, description="the chance of a token to be hidden and guessed")
    mask: float = Field(0.8, ge=0, le=1, description="share of the hidden tokens that become the mask token")
    random: float = Field(
        0.1, ge=0, le=1, description="share that become a token drawn from the vocabulary; the rest stay as they are"
    )
    whole_words: bool = Field(
        False, description="hide all pieces of a word or none, so that no piece gives its neighbours away"
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.mask + self.random > 1 + 1e-9:
            raise ValueError(f"'mask' and 'random' are shares of one whole, but make {self.mask + self.random:g}")
        return self


@dataclass(frozen=True, slots=True)
class Maskable:
    """What masking must know of a vocabulary of ``V`` ids."""

    mask_id: int
    ordinary: NDArray[np.bool_]
    """(V,) whether the id is a token that may be hidden, or put in another's place: no special one, no gap."""
    continues: NDArray[np.bool_]
    """(V,) whether the token is a later piece of a word ("##ing", or one without "Ġ" or "▁")."""

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Maskable:
        """Return what ``tokenizer``'s vocabulary says."""
        ordinary = np.zeros(tokenizer.vocabulary_size, dtype=np.bool_)
        continues = np.zeros(tokenizer.vocabulary_size, dtype=np.bool_)
        for token, index in tokenizer.vocabulary().items():
            ordinary[index] = index not in tokenizer.special_ids
            continues[index] = tokenizer.marks.goes_on(token)
        return cls(tokenizer.mask_id, ordinary, continues)


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """A packed batch with hidden tokens, and what they were."""

    batch: PackedBatch
    positions: Tensor
    """(M,) int64, ascending: which of the batch's tokens are to be guessed."""
    targets: Tensor
    """(M,) int64: the ids that stood there."""

    def to(self, device: torch.device) -> MaskedBatch:
        """Return it with its tensors on ``device`` (the offsets stay on the CPU)."""
        return MaskedBatch(
            self.batch.to(device),
            self.positions.to(device, non_blocking=True),
            self.targets.to(device, non_blocking=True),
        )

    def shard(self, number: int, count: int) -> MaskedBatch:
        """Return the sequences of the ``number``-th of ``count`` parts, of nearly as many tokens each."""
        middles = (self.batch.offsets[1:] + self.batch.offsets[:-1]).numpy()
        tokens = int(self.batch.offsets[-1])
        start, stop = np.searchsorted(middles * count // max(1, 2 * tokens), [number, number + 1])
        return self._cut(int(start), int(stop))

    def micro_batches(self, budget: int) -> Iterator[MaskedBatch]:
        """Yield it cut into whole sequences, at most ``budget`` tokens at a time; a longer sequence stands alone."""
        offsets = self.batch.offsets.numpy()
        start = 0
        while start < len(offsets) - 1:
            stop = max(start + 1, int(np.searchsorted(offsets, offsets[start] + budget, side="right")) - 1)
            yield self._cut(start, stop)
            start = stop

    def _cut(self, start: int, stop: int) -> MaskedBatch:
        """Return sequences ``start`` to ``stop`` alone."""
        offsets = self.batch.offsets[start : stop + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        part = slice(first, last)
        chosen = slice(*np.searchsorted(self.positions.numpy(), [first, last]))
        batch = self.batch
        return MaskedBatch(
            PackedBatch(batch.token_ids[part], batch.segment_ids[part], batch.positions[part], offsets - first),
            self.positions[chosen] - first,
            self.targets[chosen],
        )


def mask_tokens(
    batch: PackedBatch, vocabulary: Maskable, settings: MaskingSettings, random: np.random.Generator
) -> MaskedBatch:
    """Hide tokens of a batch on the CPU; the batch itself stays as it is.

    Every ordinary token (with ``whole_words`` every word) is hidden with the chance ``share``, independently. If that
    leaves none, one is hidden all the same; a batch without ordinary tokens keeps none to guess.
    """
    token_ids = batch.token_ids.numpy()
    places = np.flatnonzero(vocabulary.ordinary[token_ids])
    units = _words(token_ids, places, vocabulary) if settings.whole_words else np.arange(len(places))
    count = int(units[-1]) + 1 if len(units) else 0
    hidden = random.random(count) < settings.share
    if count and not hidden.any():
        hidden[random.integers(count)] = True
    positions = places[hidden[units]]
    targets = token_ids[positions]

    fate = random.random(len(positions))
    others = np.flatnonzero(vocabulary.ordinary)
    drawn = others[random.integers(len(others), size=len(positions))]
    masked = token_ids.copy()
    masked[positions] = np.where(
        fate < settings.mask,
        vocabulary.mask_id,
        np.where(fate < settings.mask + settings.random, drawn, targets),
    )
    new = PackedBatch(torch.from_numpy(masked), batch.segment_ids, batch.positions, batch.offsets)
    return MaskedBatch(new, torch.from_numpy(positions), torch.from_numpy(targets))


def _words(token_ids: NDArray[np.int64], places: NDArray[np.int64], vocabulary: Maskable) -> NDArray[np.int64]:
    """Return the number of the word that each of the ordinary tokens at ``places`` belongs to, from 0.

    A piece goes on with the word before it only where it stands right behind it.
    """
    starts = ~vocabulary.continues[token_ids[places]]
    starts |= np.diff(places, prepend=-2) != 1
    return np.asarray(starts.cumsum() - 1)
