from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from minbert.encoder.attention.bins import BinLayout

CPU = torch.device("cpu")


def offsets_of(lengths: list[int]) -> Tensor:
    return torch.tensor([0, *lengths]).cumsum(0)


def by_loops(
    query_key_value: Tensor, offsets: Tensor, heads: int, bias: Tensor | None = None, window: int | None = None
) -> Tensor:
    """Attention as its formula has it, sequence by sequence and head by head."""
    queries, keys, values = query_key_value.chunk(3, dim=1)
    size = queries.shape[1] // heads
    contexts = []
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        of_heads = []
        places = torch.arange(end - start)
        distances = places - places[:, None]  # of the key from the query
        for head in range(heads):
            part = (slice(start, end), slice(head * size, (head + 1) * size))
            scores = queries[part] @ keys[part].T / size**0.5
            if bias is not None:
                scores = scores + bias[head, distances + (bias.shape[1] - 1) // 2]
            if window is not None:
                scores = scores.masked_fill(distances.abs() > window, float("-inf"))
            of_heads.append(scores.softmax(-1) @ values[part])
        contexts.append(torch.cat(of_heads, dim=1))
    return torch.cat(contexts)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.integers(1, 40), st.integers(1, 100)), min_size=1, max_size=8),
    st.sampled_from([1, 3]),
    st.booleans(),
    st.lists(st.one_of(st.none(), st.integers(0, 70)), min_size=1, max_size=3),
)
def test_equals_the_formula_and_its_gradients(
    lengths: list[int], heads: int, biased: bool, windows: list[int | None]
) -> None:
    """Layers with windows of their own share one layout, and all of them the bias."""
    offsets, size = offsets_of(lengths), 4
    generator = torch.Generator().manual_seed(len(lengths))
    leaves = [torch.randn(sum(lengths), 3 * heads * size, generator=generator, dtype=torch.float64)]
    if biased:
        leaves.append(torch.randn(heads, 2 * max(lengths) - 1, generator=generator, dtype=torch.float64))
    packed, bias = (*[leaf.requires_grad_() for leaf in leaves], None)[:2]
    layout = BinLayout(offsets, heads, CPU, bias)
    ours = torch.stack([layout.attend(packed, 0.0, window) for window in windows])
    reference = torch.stack([by_loops(packed, offsets, heads, bias, window) for window in windows])
    torch.testing.assert_close(ours, reference, rtol=0, atol=1e-12)
    direction = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    of_ours, of_reference = (torch.autograd.grad(result, leaves, direction) for result in (ours, reference))
    torch.testing.assert_close(of_ours, of_reference, rtol=0, atol=1e-11)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 40), st.integers(1, 300)), min_size=1, max_size=20), st.integers(1, 3))
def test_a_token_has_one_slot_and_sees_its_sequence_only(lengths: list[int], heads: int) -> None:
    layout = BinLayout(offsets_of(lengths), heads, CPU)
    rows = torch.arange(sum(lengths) * 3 * heads)
    queries = rows.view(-1, 3, heads)[:, 0]
    places = layout.to_bins.row_of_source[queries]  # where each token's query stands
    assert places.unique().numel() == places.numel()
    pieces = layout.to_bins(rows[:, None])
    assert torch.equal(torch.cat(pieces).view(-1)[layout.to_bins.row_of_source], rows)
    sequences = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    start = 0
    for group, bias, query, key, value in zip(
        layout.groups, layout.biases(None), pieces[0::3], pieces[1::3], pieces[2::3], strict=True
    ):
        assert torch.equal(key, query + heads)
        assert torch.equal(value, query + 2 * heads)
        standing = torch.full((query.numel(),), -1)
        here = (places >= start) & (places < start + query.numel())
        standing[places[here] - start] = sequences[:, None].expand(-1, heads)[here]
        standing = standing.view(group.bins, heads, group.width)
        visible = standing[:, :, :, None] == standing[:, :, None, :]
        assert torch.equal(bias == 0, visible[:, :1])
        assert torch.equal(visible, visible[:, :1].expand_as(visible))
        assert torch.equal(bias == float("-inf"), bias != 0)
        start += 3 * query.numel()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_the_way_there_and_back_loses_nothing(lengths: list[int]) -> None:
    heads = 2
    layout = BinLayout(offsets_of(lengths), heads, CPU)
    rows = torch.arange(sum(lengths) * 3 * heads, dtype=torch.float32)[:, None].requires_grad_()
    pieces = layout.to_bins(rows)
    assert torch.equal(layout.to_bins.inverse()(*pieces)[0], rows)
    # Only one copy of a row counts, also on the way back of the gradient: empty slots add nothing to token 0.
    (gradient,) = torch.autograd.grad(pieces, rows, [piece.detach() for piece in pieces])
    assert torch.equal(gradient, rows)


def test_a_sequence_does_not_depend_on_its_bin_mates() -> None:
    generator = torch.Generator().manual_seed(0)
    heads, size, lengths = 2, 8, [11, 9, 12, 60, 3, 31]
    packed = torch.randn(sum(lengths), 3 * heads * size, generator=generator)
    offsets = offsets_of(lengths)
    together = BinLayout(offsets, heads, CPU).attend(packed, 0.0)
    for start, length in zip(offsets.tolist(), lengths, strict=False):
        alone = BinLayout(offsets_of([length]), heads, CPU).attend(packed[start : start + length], 0.0)
        torch.testing.assert_close(together[start : start + length], alone, rtol=0, atol=1e-6)


def test_bf16_is_as_close_as_bf16_can_be() -> None:
    generator = torch.Generator().manual_seed(0)
    offsets = offsets_of([30, 64, 7, 200, 5])
    packed = torch.randn(306, 3 * 64, generator=generator)
    layout = BinLayout(offsets, 2, CPU)
    exact = layout.attend(packed.bfloat16().double(), 0.0)
    rounded = layout.attend(packed.bfloat16(), 0.0)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.double(), exact, rtol=0, atol=0.02)


def test_dropping_probabilities_keeps_their_expectation() -> None:
    torch.manual_seed(0)
    offsets = offsets_of([12, 5, 35])
    packed = torch.randn(52, 3 * 8, dtype=torch.float64)
    layout = BinLayout(offsets, 2, CPU)
    exact = layout.attend(packed, 0.0)
    draws = torch.stack([layout.attend(packed, 0.3) for _ in range(200)])
    error = (draws.mean(0) - exact) / (draws.std(0) / len(draws) ** 0.5)
    assert draws.std(0).min() > 0
    assert error.abs().max() < 5
    assert 0.8 < error.std() < 1.2


def test_a_window_wider_than_all_sequences_is_none_and_costs_nothing() -> None:
    layout = BinLayout(offsets_of([5, 12, 40]), 2, CPU)
    assert layout.biases(39) is layout.biases(None)
    assert layout.biases(38) is not layout.biases(None)
    assert layout.biases(38) is layout.biases(38)
