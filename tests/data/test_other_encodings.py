"""Text files in other encodings than UTF-8, as a recipe names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from minbert.data.examples import BadDataError, read_split
from minbert.data.lines import keeps_ascii
from minbert.data.task_files import TaskFiles
from minbert.tasks.kinds import Kind

FILES: dict[str, Any] = {"files": {"train": "a.csv"}, "text": "text", "label": "label"}
BINARY = Kind.model_validate("binary")


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("windows-1252", "Café, “gut”"),
        ("latin-1", "Café"),
        ("cp1251", "Рыбак, ключ"),
        ("gbk", "渡船的老人"),
        ("shift_jis", "犬|猫"),
    ],
)
@pytest.mark.parametrize("file", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_split_is_read_in_the_encoding_of_the_recipe(encoding: str, name: str, file: str, tmp_path: Path) -> None:
    rows = {
        "a.csv": f'text,label\n"{name}",1\nb,0\n',
        "a.tsv": f"text\tlabel\n{name}\t1\nb\t0\n",
        "a.jsonl": f'{{"text": "{name}", "label": 1}}\n{{"text": "b", "label": 0}}\n',
    }
    path = tmp_path / file
    path.write_bytes(rows[file].encode(encoding))
    files = TaskFiles.model_validate(FILES | {"encoding": encoding})
    assert list(read_split(path, files, BINARY).first) == [name, "b"]
    with pytest.raises(BadDataError, match=r":[12]: not UTF-8"):
        read_split(path, TaskFiles.model_validate(FILES | {"encoding": "utf-8"}), BINARY)


def test_a_byte_that_the_encoding_has_not_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,label\nb\x81,1\n")
    with pytest.raises(BadDataError, match=r":2: not WINDOWS-1252 \(byte 0x81, number 2 of the line\)"):
        read_split(tmp_path / "a.csv", TaskFiles.model_validate(FILES | {"encoding": "windows-1252"}), BINARY)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-7", "base64", "cp037", "nonesuch", "rot13", "idna", ""])
def test_encodings_whose_lines_cannot_be_cut_are_refused(encoding: str) -> None:
    assert not keeps_ascii(encoding)
    with pytest.raises(ValueError, match=r"no encoding of text that keeps ASCII.*iconv"):
        TaskFiles.model_validate(FILES | {"encoding": encoding})
    shared = [{"file": "b.csv", "encoding": encoding}]
    with pytest.raises(ValueError, match="keeps ASCII"):
        TaskFiles.model_validate(FILES | {"also_train_on": shared})


def test_a_shared_file_has_the_tasks_encoding_or_its_own() -> None:
    shared = [{"file": "b.csv"}, {"file": "c.csv", "encoding": "utf-8"}]
    files = TaskFiles.model_validate(FILES | {"encoding": "gbk", "also_train_on": shared})
    assert [file.encoding for file in files.also_train_on] == ["gbk", "utf-8"]
