"""RoPE: what it does to scores, and its gradient."""

from __future__ import annotations

import torch

from minbert.encoder.attention.bins import BinLayout
from minbert.encoder.attention.rotary import turned

CPU = torch.device("cpu")
HEADS, SIZE = 2, 8


def test_scores_depend_on_distances_alone() -> None:
    """The same query and key, anywhere in any sequence, have the score of their distance."""
    layout = BinLayout(torch.tensor([0, 12, 13, 33]), HEADS, CPU)
    same = torch.randn(1, 3 * HEADS * SIZE, generator=torch.Generator().manual_seed(0)).expand(33, -1)
    query, key, value = turned(same, *layout.turns(50.0, SIZE)).view(33, 3, HEADS, SIZE).unbind(1)
    scores = torch.einsum("ihd,jhd->hij", query, key)
    for distance in (-4, 0, 7):
        found = [scores[:, place, place + distance] for place in (4, 17, 22, 25)]
        for other in found[1:]:
            torch.testing.assert_close(other, found[0])
    assert not torch.allclose(scores[:, 4, 4], scores[:, 4, 5], atol=1e-2)
    assert torch.equal(value, same.view(33, 3, HEADS, SIZE)[:, 2])


def test_the_gradient_is_the_turn_back() -> None:
    layout = BinLayout(torch.tensor([0, 3, 5]), HEADS, CPU)
    cosine, sine = (angles.double() for angles in layout.turns(50.0, SIZE))
    packed = torch.randn(5, 3 * HEADS * SIZE, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda rows: turned(rows, cosine, sine), packed)


def test_half_precision_is_rounded_once() -> None:
    turns = BinLayout(torch.tensor([0, 40]), HEADS, CPU).turns(50.0, SIZE)
    packed = torch.randn(40, 3 * HEADS * SIZE, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(turned(packed, *turns), turned(packed.float(), *turns).bfloat16())


def test_angles_are_made_once() -> None:
    layout = BinLayout(torch.tensor([0, 40]), HEADS, CPU)
    assert layout.turns(50.0, SIZE) is layout.turns(50.0, SIZE)
    assert not torch.equal(layout.turns(50.0, SIZE)[0], layout.turns(60.0, SIZE)[0])
