"""Steps are an epoch cut in order, each as full as it may be, and kept in the cache once they are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.files.cache import cache_folder
from minbert.pretraining import steps
from minbert.pretraining.corpus_order import CorpusOrder
from minbert.pretraining.steps import EpochSteps, StepsOfTexts, StepsOfTokens


def spans(cut: EpochSteps, epoch: int) -> list[tuple[int, int]]:
    return [cut.span(epoch, step) for step in range(cut.count(epoch))]


def one_by_one(lengths: list[int], tokens: int) -> list[tuple[int, int]]:
    """Return the spans by filling one step after the other."""
    ends, held = [0], 0
    for place, length in enumerate(lengths):
        if place > ends[-1] and held + length > tokens:
            ends.append(place)
            held = 0
        held += length
    return list(pairwise([*ends, len(lengths)]))


@pytest.mark.parametrize(("total", "texts"), [(10, 3), (9, 3), (1, 5), (5, 1)])
def test_steps_of_texts_have_so_many_but_the_last(total: int, texts: int) -> None:
    made = spans(StepsOfTexts(total, texts), 0)
    assert [n for span in made for n in range(*span)] == list(range(total))
    assert {stop - start for start, stop in made[:-1]} <= {texts}
    assert 1 <= made[-1][1] - made[-1][0] <= texts


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 60), st.integers(1, 20))
@settings(max_examples=30)  # each writes to the cache
def test_steps_of_tokens_take_texts_while_they_fit(lengths: list[int], tokens: int, at_once: int) -> None:
    order = CorpusOrder({"a": len(lengths)}, {"a": len(lengths)}, 1)
    table = np.array(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "TEXTS_AT_ONCE", at_once)
        cut = StepsOfTokens(order, table.__getitem__, tokens, 2, [lengths, at_once])
    for epoch in range(2):
        ordered = table[order.texts(epoch, 0, len(order))].tolist()
        assert spans(cut, epoch) == one_by_one(ordered, tokens)


def test_texts_are_looked_at_once_for_all_runs_that_have_the_same_steps() -> None:
    order = CorpusOrder({"a": 50}, {"a": 50}, 1)
    asked: list[int] = []

    def lengths(numbers: np.ndarray) -> np.ndarray:
        asked.append(len(numbers))
        return numbers % 7 + 1

    made = [StepsOfTokens(order, lengths, 20, 3, ["looked at once"]) for _ in range(2)]
    assert sum(asked) == 150
    assert [spans(cut, 2) for cut in made] == [spans(made[0], 2)] * 2
    for key, tokens, epochs in ((["other texts"], 20, 3), (["looked at once"], 21, 3), (["looked at once"], 20, 4)):
        asked.clear()
        StepsOfTokens(order, lengths, tokens, epochs, key)
        assert sum(asked) == 50 * epochs


def test_steps_that_are_damaged_are_cut_anew(caplog: pytest.LogCaptureFixture) -> None:
    order = CorpusOrder({"a": 50}, {"a": 50}, 1)

    def cut() -> StepsOfTokens:
        return StepsOfTokens(order, lambda numbers: numbers % 7 + 1, 20, 3, ["damaged"])

    before = set((cache_folder() / steps.STEPS).glob("*"))
    whole = spans(cut(), 2)
    [entry] = set((cache_folder() / steps.STEPS).iterdir()) - before
    for name in ("ends.int64", "counts.int64"):
        for content in ((entry / name).read_bytes()[:-8], bytes(8) + (entry / name).read_bytes()[8:]):
            (entry / name).write_bytes(content)
            caplog.clear()
            assert spans(cut(), 2) == whole
            assert f"{entry}: is damaged: " in caplog.text
