"""JSON lines: what is no object, no JSON or no text."""

from __future__ import annotations

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
    ("content", "message"),
    [
        (b'[\n {\n  "text": "a"\n }\n]', "1: the JSON is one array; write one object a line: jq -c '.[]'"),
        (b'\n[{"text": "a"}, {"text": "b"}]\n', "2: the JSON is one array"),
        (b'{\n  "text": "a"\n}\n', "1: the JSON is spread over lines; write one object a line: jq -c '.'"),
    ],
)
def test_json_that_is_not_one_object_a_line_is_told_at_once(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path / "rows.jsonl", content)
    assert str(caught.value).startswith(f"{tmp_path / 'rows.jsonl'}:{message}")


def test_values_that_are_lists_or_objects_are_told_as_such(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "rows.jsonl", b'{"text": "a", "label": ["b"], "more": {}}')
    assert isinstance(row, Row)
    assert row.unusable == {"label": "a list", "more": "an object"}
