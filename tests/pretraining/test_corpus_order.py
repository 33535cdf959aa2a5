from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.pretraining.corpus_order import CorpusOrder, epoch_counts

SIZES = {"small": 10, "middle": 40, "large": 160}
ALIKE = dict.fromkeys(SIZES, 1.0)


def order_of(counts: dict[str, int], seed: int = 1) -> CorpusOrder:
    return CorpusOrder(SIZES, counts, seed)


def epoch(order: CorpusOrder, number: int) -> list[int]:
    return order.texts(number, 0, len(order)).tolist()


def corpus_of(number: int) -> str:
    return "small" if number < 10 else "middle" if number < 50 else "large"


@pytest.mark.parametrize(
    ("power", "weights", "expected"),
    [
        (1.0, ALIKE, {"small": 10, "middle": 40, "large": 160}),
        (0.0, ALIKE, {"small": 70, "middle": 70, "large": 70}),
        (0.5, ALIKE, {"small": 30, "middle": 60, "large": 120}),
        (0.5, ALIKE | {"small": 3.0}, {"small": 70, "middle": 47, "large": 93}),
        (1.0, ALIKE | {"small": 1e-9}, {"small": 1, "middle": 42, "large": 168}),
    ],
)
def test_the_balance_is_weight_times_size_to_the_power(
    power: float, weights: dict[str, float], expected: dict[str, int]
) -> None:
    assert epoch_counts(SIZES, weights, power) == expected


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(1, 10**6), st.floats(0.01, 100)), min_size=1),
    st.floats(0, 1),
)
@settings(deadline=None)
def test_an_epoch_has_as_many_texts_as_there_are(corpora: dict[str, tuple[int, float]], power: float) -> None:
    sizes = {name: size for name, (size, _) in corpora.items()}
    counts = epoch_counts(sizes, {name: weight for name, (_, weight) in corpora.items()}, power)
    assert min(counts.values()) >= 1
    assert sum(sizes.values()) <= sum(counts.values()) <= sum(sizes.values()) + len(sizes) - 1


def test_an_epoch_holds_each_corpus_as_often_as_counted() -> None:
    counts = {"small": 33, "middle": 20, "large": 100}
    order = order_of(counts)
    for number in range(4):
        assert Counter(map(corpus_of, epoch(order, number))) == counts


def test_no_text_comes_twice_before_all_have_come_once() -> None:
    order = order_of({"small": 33, "middle": 20, "large": 100})
    seen = Counter(text for number in range(8) for text in epoch(order, number))
    for corpus, times in (("small", 8 * 33 / 10), ("middle", 8 * 20 / 40), ("large", 8 * 100 / 160)):
        counts = [seen[n] for n in range(210) if corpus_of(n) == corpus]
        assert {*counts} <= {int(times), int(times) + 1}
        assert sum(counts) == {"small": 264, "middle": 160, "large": 800}[corpus]


def test_corpora_are_mixed_and_epochs_differ() -> None:
    order = order_of({"small": 70, "middle": 70, "large": 70})
    parts = [epoch(order, 0)[start : start + 30] for start in range(0, 210, 30)]
    assert all(len({corpus_of(text) for text in part}) == 3 for part in parts)
    assert epoch(order, 0) != epoch(order, 1)
    assert epoch(order, 1) == epoch(order_of(order.counts), 1)
    assert epoch(order, 0) != epoch(order_of(order.counts, seed=2), 0)


def test_any_part_of_an_epoch_can_be_had_by_itself() -> None:
    order = order_of({"small": 33, "middle": 20, "large": 100})
    whole = epoch(order, 5)
    for start, stop in ((0, 1), (17, 60), (152, 153), (40, 40)):
        assert order.texts(5, start, stop).tolist() == whole[start:stop]
