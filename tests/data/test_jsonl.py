"""JSON lines and arrays: what is no object, no JSON or no text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minbert.data.rows import Problem, Row, read_rows
from minbert.errors import UserError


def read(path: Path, content: bytes) -> list[Row | Problem]:
    path.write_bytes(content)
    return list(read_rows(path))


def test_values_become_the_text_a_table_would_hold(tmp_path: Path) -> None:
    line = b'{"text": "a", "score": 3.8, "class": 2, "yes": true, "no": false, "missing": null, "list": [1], "": 1}'
    expected = {"text": "a", "score": "3.8", "class": "2", "yes": "true", "no": "false", "missing": ""}
    assert read(tmp_path / "rows.jsonl", line) == [Row(1, expected)]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"text": "a"', "not valid JSON"),
        (b"text", "not valid JSON"),
        (b'["a"]', "not a JSON object"),
        (b'"a"', "not a JSON object"),
        (b'{"text": "a", "text": "b"}', "the key 'text' is there twice"),
        (b'{"score": NaN}', "NaN is no JSON number"),
        (b'{"text": "\xff"}', "not UTF-8 (byte 0xff, number 11 of the line)"),
        (b'{"text": "\0"}', "a NUL byte"),
        (b'{"text": "\\u0000"}', "a NUL character in column 'text'"),
        (b'{"text": "\\ud83d"}', "half of a surrogate pair in column 'text'"),
        (b'{"n": ' + b"1" * 5000 + b"}", "not usable JSON (a number of 5,000 digits)"),
        (b'{"text": ' + b"[" * 100_000, "not usable JSON (lists or objects stand too deep in each other)"),
    ],
)
def test_a_bad_line_is_told_and_reading_goes_on(tmp_path: Path, bad: bytes, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    first, problem, last = read(path, b'{"text": "a"}\n\n' + bad + b'\n{"text": "b"}')
    assert (first, last) == (Row(1, {"text": "a"}), Row(4, {"text": "b"}))
    assert str(problem).startswith(f"{path}:3: ")
    assert message in str(problem)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b'[\n {\n  "text": "a"\n },\n {\n  "text": "b"\n }\n]', (2, 5)),
        (b'\n[{"text": "a"}, {"text": "b"}]\n', (2, 2)),
        (b'[{"text": "a"},\n{"text": "b"}\n]\n', (1, 2)),
        (b'{\n  "text": "a"\n}\n{\n  "text": "b"\n}\n', (1, 4)),
    ],
)
def test_arrays_and_objects_over_several_lines_are_read_object_by_object(
    tmp_path: Path, content: bytes, lines: tuple[int, int]
) -> None:
    assert read(tmp_path / "rows.jsonl", content) == [Row(lines[0], {"text": "a"}), Row(lines[1], {"text": "b"})]


def test_brackets_and_quotes_inside_texts_end_no_object(tmp_path: Path) -> None:
    texts = ["a } b", "] , [ {", 'said "{"', "a \\", '\\" }', "", "\n}"]
    content = json.dumps([{"text": text, "labels": ["x", "]"], "more": {"deep": [{}]}} for text in texts], indent=1)
    assert [row.values for row in read(tmp_path / "rows.jsonl", content.encode())] == [{"text": text} for text in texts]


@pytest.mark.parametrize(
    ("middle", "message"),
    [
        (b'{"text": \n"a",}', "4: not valid JSON"),
        (b'{"text": \n\n"\xff"}', "3: not UTF-8"),
        (b'\n"b"', "4: not a JSON object"),
        (b"\n17", "4: not a JSON object"),
        (b'{"text": "a", "text": "b"}', "3: the key 'text' is there twice"),
    ],
)
def test_what_is_no_object_of_an_array_is_told_and_reading_goes_on(tmp_path: Path, middle: bytes, message: str) -> None:
    first, problem, last = read(tmp_path / "rows.jsonl", b'[\n{"text": "a"},\n' + middle + b',\n{"text": "b"}]')
    assert (first.values, last.values) == ({"text": "a"}, {"text": "b"})
    where, what = message.split(": ", 1)
    assert str(problem).startswith(f"{tmp_path / 'rows.jsonl'}:{where}: ") and what in str(problem)


def test_an_array_that_was_cut_short_has_a_problem_at_its_end(tmp_path: Path) -> None:
    row, problem = read(tmp_path / "rows.jsonl", b'[{"text": "a"},\n {"text":\n "b')
    assert row == Row(1, {"text": "a"})
    assert str(problem).startswith(f"{tmp_path / 'rows.jsonl'}:3: not valid JSON")
    row, problem = read(tmp_path / "rows.jsonl", b'[{"text": "a"},\n')
    assert row == Row(1, {"text": "a"})
    assert str(problem) == f"{tmp_path / 'rows.jsonl'}:1: the JSON array has no end"


def test_an_object_without_an_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minbert.data.json_objects.longest_line", 100)
    with pytest.raises(UserError, match=r"rows\.jsonl:2: the JSON object is longer than 100 characters"):
        read(tmp_path / "rows.jsonl", b"[\n{\n" + b'"a": 1,\n' * 100)


def test_a_long_array_on_one_line_is_told_how_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minbert.data.lines.longest_line", 100)
    content = json.dumps([{"text": "a"}] * 50).encode()
    with pytest.raises(UserError, match=r"rows\.jsonl:1: the line is longer than 100 bytes\. Write one object a line"):
        read(tmp_path / "rows.jsonl", content)


def test_values_that_are_lists_or_objects_are_told_as_such(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "rows.jsonl", b'{"text": "a", "label": ["b"], "more": {}}')
    assert isinstance(row, Row)
    assert row.unusable == {"label": "a list", "more": "an object"}
