"""New rows: ids, origins, what is dropped, and what they do not depend on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minbert.augmentation import Augmentation
from minbert.augmentation.base import Augmenter
from minbert.augmentation.rows import ROWS_AT_ONCE, NewRow, RowAugmenter
from minbert.augmentation.tables import new_rows_table

CPU = torch.device("cpu")


def methods(*trees: Any) -> list[Augmentation]:
    return [Augmentation.model_validate(tree) for tree in trees]


def new_rows(chosen: Sequence[Augmentation], ids: Sequence[str], texts: Sequence[tuple[str, ...]]) -> list[NewRow]:
    return RowAugmenter(7, CPU).new_rows(chosen, ids, texts)


EDA = methods({"name": "swap", "copies": 2}, {"name": "deletion", "copies": 2})
texts_of_a_row = st.text("ab .", min_size=1).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts_of_a_row, texts_of_a_row), min_size=1, max_size=8), st.randoms())
def test_a_row_depends_on_its_texts_and_the_seed_alone(rows: list[tuple[str, str]], random: Any) -> None:
    ids = [f"r{number}" for number in range(len(rows))]
    by_id = {row.id: (row.texts, ids[row.origin]) for row in new_rows(EDA, ids, rows)}
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = [ids[number] for number in order]
    again = new_rows(EDA, shuffled, [rows[number] for number in order])
    assert {row.id: (row.texts, shuffled[row.origin]) for row in again} == by_id
    alone = new_rows(EDA, ids[:1], rows[:1])
    assert [row for row in alone if row.texts] == [row for row in new_rows(EDA, ids, rows) if row.origin == 0]
    # Nothing says what its origin or another new row of it says, and nothing is blank.
    for origin, row in enumerate(rows):
        said = [row, *(new.texts for new in new_rows(EDA, ids, rows) if new.origin == origin)]
        assert len({tuple(" ".join(text.casefold().split()) for text in texts) for texts in said}) == len(said)
        assert all(text.strip() for texts in said for text in texts)


def test_rows_past_one_batch_are_the_same_rows() -> None:
    texts = [(f"one two three {number}",) for number in range(2 * ROWS_AT_ONCE + 3)]
    ids = [str(number) for number in range(len(texts))]
    advanced: list[int] = []
    made = RowAugmenter(7, CPU).new_rows(EDA, ids, texts, advanced.append)
    assert sum(advanced) == len(texts) * 2
    assert [row.origin for row in made] == sorted(row.origin for row in made)
    assert new_rows(EDA, ids[-1:], texts[-1:]) == [
        NewRow(row.id, 0, row.method, row.texts) for row in made if row.origin == len(texts) - 1
    ]


def test_another_seed_gives_other_rows() -> None:
    texts = [("one two three four five six seven",)]
    found = {tuple(row.texts for row in RowAugmenter(seed, CPU).new_rows(EDA, ["r"], texts)) for seed in range(20)}
    assert len(found) > 15


def test_the_two_texts_of_a_pair_are_rewritten_each_by_chance_of_its_own() -> None:
    text = "one two three four five six seven eight"
    made = new_rows(methods({"name": "swap", "copies": 10}), ["r"], [(text, text)])
    assert all(row.texts[0] != row.texts[1] for row in made[:3])


def test_ids_tell_the_origin_and_are_never_taken() -> None:
    chosen = methods({"name": "swap", "copies": 2}, "deletion", {"name": "swap", "alpha": 0.9, "copies": 1})
    ids = ["a", "a~swap~1", "a~swap~1~"]
    texts = [("one two three four five",), ("x",), ("y",)]
    made = new_rows(chosen, ids, texts)
    assert [row.id for row in made] == ["a~swap~1~~", "a~swap~2", "a~deletion~1", "a~swap~3"]
    assert [row.method for row in made] == ["swap", "swap", "deletion", "swap"]


class _Fixed(Augmenter):
    """Gives each text the same copies."""

    def __init__(self, copies: list[str]) -> None:
        self.copies = copies

    def rewrite(self, texts: Sequence[str], draws: Any) -> list[list[str]]:
        return [self.copies[: len(generators)] for _, generators in zip(texts, draws, strict=True)]


def test_what_says_nothing_new_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = methods({"name": "swap", "copies": 7})
    fixed = _Fixed(["a b", " A  b ", "a c", "", "  ", "a C", "b a "])
    monkeypatch.setattr(type(chosen[0]), "load", lambda self, device: fixed)  # noqa: ARG005
    made = new_rows(chosen, ["r"], [("a b",)])
    assert [(row.id, row.texts) for row in made] == [("r~swap~3", ("a c",)), ("r~swap~7", ("b a",))]
    pairs = new_rows(chosen, ["r"], [("a b", "a c")])
    assert [row.id for row in pairs] == [f"r~swap~{number}" for number in (1, 3, 7)], "one text of two may stay"


def test_what_a_method_needs_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    chosen = methods("swap")
    monkeypatch.setattr(type(chosen[0]), "load", lambda self, device: loaded.append(self) or self)  # noqa: ARG005
    augmenter = RowAugmenter(1, CPU)
    for _ in range(3):
        augmenter.new_rows(chosen, ["r"], [("a b c",)])
    augmenter.new_rows(methods({"name": "swap", "alpha": 0.5}), ["r"], [("a b c",)])
    assert len(loaded) == 2


def test_the_table_of_new_rows_reads_back(tmp_path: Any) -> None:
    from minbert.data.rows import read_rows

    rows = [NewRow("a~swap~1", 1, "swap", ('"quoted" text', "tab\there")), NewRow("b", 0, "swap", ("x", 'half "'))]
    (tmp_path / "t.tsv").write_text(new_rows_table(rows, ["p", "q"], [0.0, 3.8]))
    assert [row.values for row in read_rows(tmp_path / "t.tsv")] == [  # type: ignore[union-attr]
        {"id": "a~swap~1", "origin": "q", "method": "swap", "text1": '"quoted" text', "text2": "tab\there"}
        | {"label": "3.8"},
        {"id": "b", "origin": "p", "method": "swap", "text1": "x", "text2": 'half "', "label": "0"},
    ]
    assert new_rows_table([], [], None) == "id\torigin\tmethod\ttext\n"


def test_generators_are_not_shared_between_methods() -> None:
    class Odd(Augmentation):
        name: ClassVar[str] = "odd"
        title: ClassVar[str] = "for a test"
        source: ClassVar[str] = "none"

        def load(self, device: torch.device) -> Augmenter:  # noqa: ARG002
            return Numbers()

    class Numbers(Augmenter):
        def rewrite(self, texts: Sequence[str], draws: Any) -> list[list[str]]:
            return [[str(one.integers(2**60)) for one in of_text] for _, of_text in zip(texts, draws, strict=True)]

    try:
        made = new_rows([Odd(copies=3), Odd(copies=2)], ["r", "s"], [("x", "x"), ("y", "x")])
    finally:
        del Augmentation.members["odd"]
    drawn = [text for row in made for text in row.texts]
    # Equal texts in the same column draw alike, whatever their row; everything else is new.
    assert len(made) == 10 and len(set(drawn)) == 15
    assert np.unique(drawn, return_counts=True)[1].max() == 2
