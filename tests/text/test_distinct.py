"""Distinct texts found by hashes in files are those that a dictionary finds, in its order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minbert.text import distinct
from minbert.text import hashes as hashes_module
from minbert.text.distinct import DistinctTexts


def found(texts: list[str], folder: Path) -> list[str]:
    with TemporaryDirectory(dir=folder) as scratch:
        made = DistinctTexts(lambda: texts, Path(scratch))
        whole = list(made)
        assert len(made) == len(whole)
        return whole


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distinct")


@given(st.lists(st.sampled_from(["a", "b", "", "A", "é", "a b", "ab"]) | st.text(max_size=3), max_size=40))
def test_they_are_what_a_dictionary_finds(place: Path, texts: list[str]) -> None:
    assert found(texts, place) == list(dict.fromkeys(texts))


@pytest.mark.parametrize(("texts", "hashes"), [(1, 1), (3, 2), (10**6, 7)])
def test_how_many_are_looked_at_at_a_time_changes_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, texts: int, hashes: int
) -> None:
    monkeypatch.setattr(distinct, "TEXTS_AT_ONCE", texts)
    monkeypatch.setattr(hashes_module, "HASHES_AT_ONCE", hashes)
    many = [f"text {n * n % 31}" for n in range(100)]
    assert found(many, place) == list(dict.fromkeys(many))
    assert found([f"{n}" for n in range(20)], place) == [f"{n}" for n in range(20)]
    assert found(["same"] * 20, place) == ["same"]


def test_texts_that_share_half_a_hash_are_told_apart(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Halved:
        def __init__(self, data: bytes, digest_size: int) -> None:
            self.whole = hashlib.sha256(data).digest()[:digest_size]

        def digest(self) -> bytes:
            return bytes(8) + self.whole[8:]

    stand_in: Callable[..., Any] = Halved
    monkeypatch.setattr(hashes_module.hashlib, "blake2b", stand_in)
    with TemporaryDirectory(dir=place) as scratch:
        assert list(DistinctTexts(lambda: ["a", "a", "b", "b"], Path(scratch))) == ["a", "b"]


def test_progress_counts_every_text(place: Path) -> None:
    done: list[int] = []
    with TemporaryDirectory(dir=place) as scratch:
        DistinctTexts(lambda: ["a", "b", "a"], Path(scratch), done.append)
    assert sum(done) == 3
