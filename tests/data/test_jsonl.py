"""JSON lines: what is no object, no JSON or no text."""

from __future__ import annotations

from pathlib import Path

import pytest

from minbert.data.rows import Problem, Row, read_rows


def read(path: Path, content: bytes) -> list[Row | Problem]:
    path.write_bytes(content)
    return list(read_rows(path))


def test_values_become_the_text_a_table_would_hold(tmp_path: Path) -> None:
    line = b'{"text": "a", "score": 3.8, "class": 2, "yes": true, "no": false, "missing": null, "list": [1], "": 1}'
    expected = {"text": "a", "score": "3.8", "class": "2", "yes": "1", "no": "0", "missing": ""}
    assert read(tmp_path / "rows.jsonl", line) == [Row(1, expected)]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"text": "a"', "not valid JSON"),
        (b"text", "not valid JSON"),
        (b'["a"]', "not a JSON object"),
        (b'"a"', "not a JSON object"),
        (b'{"text": "a", "text": "b"}', "the key 'text' stands twice"),
        (b'{"score": NaN}', "NaN is no JSON number"),
        (b'{"text": "\xff"}', "not UTF-8 (byte 0xff, number 11 of the line)"),
        (b'{"text": "\0"}', "a NUL byte"),
        (b'{"text": "\\u0000"}', "a NUL character in column 'text'"),
        (b'{"text": "\\ud83d"}', "half of a surrogate pair in column 'text'"),
        (b'{"n": ' + b"1" * 5000 + b"}", "not usable JSON"),
        (b'{"text": ' + b"[" * 100_000, "not usable JSON"),
    ],
)
def test_a_bad_line_is_told_and_reading_goes_on(tmp_path: Path, bad: bytes, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    first, problem, last = read(path, b'{"text": "a"}\n\n' + bad + b'\n{"text": "b"}')
    assert (first, last) == (Row(1, {"text": "a"}), Row(4, {"text": "b"}))
    assert str(problem).startswith(f"{path}:3: ")
    assert message in str(problem)
