from __future__ import annotations

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from minbert.data import corpora
from minbert.data.examples import BadDataError
from minbert.errors import UserError
from minbert.text.distinct import DistinctTexts


def read_texts(path: Path, columns: list[str]) -> list[str]:
    return list(corpora.read_texts(path, columns))


def divide(
    texts: list[str], folder: Path, share: float, at_most: int | None = None, seed: int = 0
) -> tuple[list[str], list[str]]:
    """Return what is trained on and what is held out."""
    with TemporaryDirectory(dir=folder) as scratch:
        parts = list(corpora.divided(DistinctTexts(lambda: texts, Path(scratch)), share, at_most, seed, "c"))
    return [text for text, held_out in parts if not held_out], [text for text, held_out in parts if held_out]


def test_a_plain_file_has_a_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone text\r\n\n  two\t'texts \"\n   \nlast")
    assert read_texts(path, []) == ["one text", "two\t'texts \"", "last"]


def test_a_table_gives_the_texts_of_its_columns(tmp_path: Path) -> None:
    rows = [{"a": "first", "b": "second", "n": 1}, {"a": "", "b": " third "}]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_texts(path, ["a", "b"]) == ["first", "second", "third"]
    table = tmp_path / "a.tsv"
    table.write_text("a\tb\nx\ty\n")
    assert read_texts(table, ["b"]) == ["y"]


def test_files_packed_by_gzip_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"one text\nanother\n"))
    assert read_texts(tmp_path / "a.txt.gz", []) == ["one text", "another"]
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a;b\nx;y\n"))
    assert read_texts(tmp_path / "a.csv.gz", ["b"]) == ["y"]


def test_lists_in_a_column_of_texts_are_told(tmp_path: Path) -> None:
    table = tmp_path / "a.jsonl"
    table.write_text('{"a": "x"}\n{"a": ["y"]}\n')
    with pytest.raises(BadDataError, match=r"a\.jsonl:2: column 'a' holds a list"):
        read_texts(table, ["a"])


def test_bad_rows_are_told_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\nbad \xff\ngood\nbad \x00\n")
    with pytest.raises(BadDataError, match=r"a\.txt:2: not UTF-8") as caught:
        read_texts(path, [])
    assert [problem.line for problem in caught.value.problems] == [2, 4]
    table = tmp_path / "a.jsonl"
    table.write_text('{"a": "x"}\nnothing\n')
    with pytest.raises(BadDataError, match=r"a\.jsonl:2"):
        read_texts(table, ["a"])


@pytest.mark.parametrize(
    ("name", "text", "columns", "words"),
    [
        ("a.txt", "", [], "holds no text"),
        ("a.txt", " \n\n", [], "holds no text"),
        ("a.tsv", "text\tlabel\n", ["text"], "holds no text"),
        ("a.tsv", "text\tlabel\nx\t1\n", ["txet"], "no column 'txet' (did you mean 'text'?). The columns are: text"),
        ("a.tsv", "text\tlabel\nx\t1\n", [], "name the column of its texts with 'column'. The columns are: text"),
        ("a.pdf", "x", [], "the name must end in one of"),
    ],
)
def test_what_cannot_be_used_is_one_message(
    tmp_path: Path, name: str, text: str, columns: list[str], words: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as caught:
        read_texts(tmp_path / name, columns)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert words in str(caught.value)


def test_a_missing_file_hints_at_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "reviews.txt").write_text("x")
    with pytest.raises(UserError, match=r"did you mean 'reviews\.txt'"):
        read_texts(tmp_path / "review.txt", [])


def test_each_distinct_text_is_in_one_part_in_the_order_of_the_file(tmp_path: Path) -> None:
    texts = [f"text number {n % 700}" for n in range(1000)]
    train, held_out = divide(texts, tmp_path, 0.2)
    assert sorted(train + held_out) == sorted(set(texts))
    assert 0.15 < len(held_out) / 700 < 0.25
    assert train == [text for text in dict.fromkeys(texts) if text not in held_out]


def test_what_is_held_out_follows_from_the_text_alone(tmp_path: Path) -> None:
    texts = [f"text number {n}" for n in range(500)]
    held_out = set(divide(texts, tmp_path, 0.1)[1])
    assert set(divide(texts[::-1], tmp_path, 0.1, seed=7)[1]) == held_out
    assert set(divide(texts[:200], tmp_path, 0.1)[1]) == held_out & set(texts[:200])
    assert held_out < set(divide(texts, tmp_path, 0.2)[1])
    shouted = [f"  TEXT  number {n}" for n in range(500)]
    assert {" ".join(text.lower().split()) for text in divide(shouted, tmp_path, 0.1)[1]} == held_out


def test_a_cap_draws_by_the_seed_and_a_smaller_one_is_part_of_a_larger(tmp_path: Path) -> None:
    texts = [f"text number {n}" for n in range(300)]

    def drawn(at_most: int, seed: int = 0) -> set[str]:
        train, held_out = divide(texts, tmp_path, 0.1, at_most, seed)
        assert train == [text for text in texts if text in train]
        return {*train, *held_out}

    assert len(drawn(100)) == 100
    assert drawn(50) < drawn(100)
    assert drawn(100, seed=1) != drawn(100)
    assert drawn(300) == drawn(1000) == set(texts)
