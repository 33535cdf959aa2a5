"""A corpus's tokens are made once, shared by runs, and never served for texts that have changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laws import each
from minbert.data import corpora
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files.seals import SEAL
from minbert.pretraining.corpus_tables import CorpusTables, corpus_tables
from minbert.pretraining.recipe import parse_pretraining_recipe
from minbert.text.tokenizer import Tokenizer

TABLE = ("tokens.int32", "offsets.int64")
TEXTS = [f"the {a} {b} is {c}" for a in ("good", "bad") for b in ("film", "river", "rice") for c in ("dull", "fine")]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINBERT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "texts.txt").write_text("".join(text + "\n" for text in TEXTS * 2))
    return {"data": str(tmp_path), "corpora": {"mine": {"files": "texts.txt"}}, "held_out": {"share": 0.3}}


@pytest.fixture
def tokenizer(tiny_encoder: Path) -> Tokenizer:
    return Tokenizer.from_files(tiny_encoder)


def tokenized(tree: dict[str, Any], tokenizer: Tokenizer, quiet: Display) -> int:
    """Return how many texts are tokenized to have the corpus's tokens."""
    before = tokenizer.texts_tokenized
    corpus_tables(parse_pretraining_recipe(tree, "test"), "mine", tokenizer, quiet)
    return tokenizer.texts_tokenized - before


def place(text: str) -> float:
    return corpora._place(text)


def test_tokens_are_those_of_the_distinct_texts_in_two_parts(
    tree: dict[str, Any], tokenizer: Tokenizer, quiet: Display
) -> None:
    tables = corpus_tables(parse_pretraining_recipe(tree, "test"), "mine", tokenizer, quiet)
    for table, held_out in ((tables.train, False), (tables.held_out, True)):
        expected = tokenizer.token_ids([text for text in TEXTS if (place(text) < 0.3) == held_out])
        assert len(expected) > 1
        assert [ids.tolist() for ids in np.split(table.token_ids, table.offsets[1:-1])] == expected


def test_texts_are_tokenized_once_and_never_when_they_are_known(
    tree: dict[str, Any], tokenizer: Tokenizer, quiet: Display
) -> None:
    assert [tokenized(tree, tokenizer, quiet) for _ in range(3)] == [len(TEXTS), 0, 0]
    changes: list[dict[str, Any]] = [
        {"seed": 5},
        {"training": {"epochs": 9}},
        {"held_out": {"share": 0.3, "scored": 7}},
    ]
    for other in changes:
        assert tokenized(tree | other, tokenizer, quiet) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"held_out": {"share": 0.4}},
        {"corpora": {"mine": {"files": ["texts.txt", "more.txt"]}}},
        {"corpora": {"mine": {"files": "texts.txt", "at_most": 8}}},
    ],
)
def test_another_division_or_choice_of_texts_is_made_anew(
    tree: dict[str, Any], tokenizer: Tokenizer, quiet: Display, tmp_path: Path, change: dict[str, Any]
) -> None:
    (tmp_path / "more.txt").write_text("unable\n")
    tokenized(tree, tokenizer, quiet)
    assert tokenized(tree | change, tokenizer, quiet) >= 8


def test_a_changed_file_and_another_tokenizer_are_seen(
    tree: dict[str, Any], tokenizer: Tokenizer, quiet: Display, tmp_path: Path, tiny_encoder: Path
) -> None:
    tokenized(tree, tokenizer, quiet)
    file = tmp_path / "texts.txt"
    file.write_text(file.read_text().replace("dull", "cold"))
    assert tokenized(tree, tokenizer, quiet) == len(TEXTS)
    other = tmp_path / "other"
    other.mkdir()
    words = (tiny_encoder / "vocab.txt").read_text().split("\n")
    (other / "vocab.txt").write_text("\n".join([*words[:5], *reversed(words[5:-1])]) + "\n")
    assert tokenized(tree, Tokenizer.from_files(other), quiet) == len(TEXTS)


def test_a_file_that_changes_while_it_is_read_is_told(
    tree: dict[str, Any], tokenizer: Tokenizer, quiet: Display, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenize = Tokenizer.token_ids

    def change(self: Tokenizer, texts: Any) -> Any:
        (tmp_path / "texts.txt").write_text("another\n")
        return tokenize(self, texts)

    monkeypatch.setattr(Tokenizer, "token_ids", change)
    with pytest.raises(UserError, match=r"corpora\.mine: its files changed while they were read"):
        tokenized(tree, tokenizer, quiet)
    assert not list((tmp_path / "cache/corpora").iterdir())


def test_bad_rows_leave_nothing_in_the_cache(
    tree: dict[str, Any], tokenizer: Tokenizer, quiet: Display, tmp_path: Path
) -> None:
    (tmp_path / "texts.txt").write_bytes(b"good\nbad \xff\n")
    with pytest.raises(UserError, match=r"texts\.txt:2: not UTF-8"):
        tokenized(tree, tokenizer, quiet)
    assert not list((tmp_path / "cache/corpora").iterdir())


def test_the_cache_says_what_it_holds(
    tree: dict[str, Any], tokenizer: Tokenizer, quiet: Display, own_cache: Path
) -> None:
    tokenized(tree, tokenizer, quiet)
    [entry] = (own_cache / "corpora").iterdir()
    assert sorted(path.name for path in entry.iterdir()) == ["about.json", "held-out", SEAL, "train"]
    assert json.loads((entry / "about.json").read_text())["read"]["files"] == ["texts.txt"]


FILES = ["about.json", SEAL, *(f"{part}/{file}" for part in ("train", "held-out") for file in TABLE)]


def rows(tables: CorpusTables) -> list[list[list[int]]]:
    return [
        [ids.tolist() for ids in np.split(table.token_ids, table.offsets[1:-1])]
        for table in (tables.train, tables.held_out)
    ]


@each("name", FILES)
@each("damage", [lambda content: content[:-9], lambda content: bytes([content[0] ^ 16]) + content[1:]])
def test_a_damaged_file_is_told_and_the_tokens_are_made_anew(
    tree: dict[str, Any],
    tokenizer: Tokenizer,
    quiet: Display,
    own_cache: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    damage: Callable[[bytes], bytes],
) -> None:
    recipe = parse_pretraining_recipe(tree, "test")
    whole = rows(corpus_tables(recipe, "mine", tokenizer, quiet))
    [entry] = (own_cache / "corpora").iterdir()
    assert sorted(FILES) == sorted(path.relative_to(entry).as_posix() for path in entry.rglob("*") if path.is_file())
    (entry / name).write_bytes(damage((entry / name).read_bytes()))
    caplog.clear()
    assert rows(corpus_tables(recipe, "mine", tokenizer, quiet)) == whole
    assert [line.startswith(f"{entry}: is damaged: ") for line in caplog.messages] == [True]
    assert tokenized(tree, tokenizer, quiet) == 0
