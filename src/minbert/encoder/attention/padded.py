"""Attention over padded batches: for graphs that run elsewhere, in programs that know no packed batches.

Every step is a plain operation on whole tensors whose sizes follow from those of what goes in, so a tracer can record
it for batches of all sizes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from minbert.encoder.attention.layout import AttentionLayout
from minbert.encoder.dropout import dropout
from minbert.packed import PackedBatch


class PaddedLayout(AttentionLayout):
    """``S`` sequences of ``L`` tokens each, end to end, of which the last ones may be padding.

    No token attends to padding. What padding itself attends to is finite, and nobody's business.
    """

    def __init__(self, mask: Tensor, heads: int, bias: Tensor | None = None) -> None:
        """Take which tokens (S, L) are no padding, the attention heads, and a bias as for ``choose_layout``."""
        super().__init__(mask.device)
        self.sequences, self.length = mask.shape
        self.mask = mask
        self._heads = heads
        places = torch.arange(self.length, device=mask.device)
        self._distances = places - places[:, None]  # (L, L) of each key (last) from each query
        self._bias = None if bias is None else bias[:, self._distances + (self.length - 1)]
        self._places = places
        self._biases: dict[int | None, Tensor] = {}

    def by_sequence(self, rows: Tensor) -> Tensor:
        """Return the rows (T, width) of all tokens by their sequence, (S, L, width)."""
        return rows.view(self.sequences, self.length, -1)

    @property
    def positions(self) -> Tensor:
        """See ``AttentionLayout``."""
        return self._places.expand(self.sequences, -1).reshape(-1)

    def turned(self, query_key_value: Tensor, base: float, size: int) -> Tensor:
        """See ``AttentionLayout``: without writing into a tensor in place, which a recorded graph pays dearly for."""
        cosine, sine = (angles[:, None] for angles in self.turns(base, size))
        tokens = query_key_value.shape[0]  # not len(), which a tracer takes for a number that never changes
        *both, value = query_key_value.view(tokens, 3, -1, 2, size // 2).unbind(1)
        turned = [
            torch.stack([first * cosine - second * sine, second * cosine + first * sine], dim=2)
            for first, second in (part.unbind(2) for part in both)
        ]
        return torch.stack([*turned, value], dim=1).view(query_key_value.shape)

    def attend(self, query_key_value: Tensor, probability: float, window: int | None = None) -> Tensor:
        """See ``AttentionLayout``."""
        width = query_key_value.shape[-1] // 3
        parts = query_key_value.view(self.sequences, self.length, 3, self._heads, width // self._heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)  # each (S, heads, L, head size)
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        probabilities = dropout((scores + self._scores_bias(window)).softmax(-1), probability, training=True)
        return (probabilities @ value).transpose(1, 2).reshape(-1, width)

    def _scores_bias(self, window: int | None) -> Tensor:
        """Return what is added to scores, (S, 1 or heads, L, L), made once for a window.

        For tokens not attended to it is the lowest number rather than minus infinity: padding far from all text may see
        nothing in its window, and of nothing but infinities no softmax is a number.
        """
        if window not in self._biases:
            hidden = ~self.mask[:, None, None, :]
            if window is not None:
                hidden = hidden | (self._distances.abs() > window)
            bias = torch.zeros((), device=self._device) if self._bias is None else self._bias
            self._biases[window] = torch.where(hidden, torch.finfo(bias.dtype).min, bias)
        return self._biases[window]


def padded_batch(token_ids: Tensor, segment_ids: Tensor) -> PackedBatch:
    """Return ``S`` sequences of ``L`` tokens (S, L), padding included, as a packed batch: they all have L tokens."""
    sequences, length = token_ids.shape
    positions = torch.arange(length, device=token_ids.device).expand(sequences, -1)
    offsets = torch.arange(sequences + 1) * length
    return PackedBatch(token_ids.reshape(-1), segment_ids.reshape(-1), positions.reshape(-1), offsets)
