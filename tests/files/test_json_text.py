from __future__ import annotations

from pathlib import Path

import pytest

from minbert.errors import UserError
from minbert.files.json_text import parse_json, read_json, read_json_lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"a": ' * 100_000, "nested too deep"),
        ('{"step": ' + "7" * 5000 + "}", "too many digits"),
        ('{\n"step": 1,\n', "line 3: is not valid JSON"),
        ("", "is not valid JSON"),
    ],
)
def test_what_python_cannot_read_is_told_with_the_file(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_json(path)
    assert str(error.value).startswith(str(path))
    assert told in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 150


def test_a_damaged_line_is_told_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"step": 0}\n{"step": 3}\n{"step"\n')
    with pytest.raises(UserError, match=r"history\.jsonl, line 3: is not valid JSON"):
        read_json_lines(path)
    path.write_text('{"step": 0}\n{"step": 3}\n')
    assert read_json_lines(path) == [{"step": 0}, {"step": 3}]


def test_long_numbers_that_python_reads_are_read() -> None:
    assert parse_json("[" + "9" * 4000 + "]", "here") == [10**4000 - 1]
