"""Where data stand."""

from __future__ import annotations

from pathlib import Path

import pytest

import minbert.data
from minbert.data.places import resolve_data, sample_folder
from minbert.errors import UserError


def test_the_sample_set_is_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample").mkdir()
    assert minbert.data.__file__ is not None
    assert resolve_data("sample") == sample_folder() == Path(minbert.data.__file__).parent / "sample"
    assert sample_folder().is_dir()


def test_a_folder_of_the_users(tmp_path: Path) -> None:
    assert resolve_data(str(tmp_path)) == tmp_path


def test_a_misspelled_folder(tmp_path: Path) -> None:
    (tmp_path / "reviews").mkdir()
    with pytest.raises(UserError, match=r"no such data folder \(did you mean 'reviews'\?\)\. 'sample' is"):
        resolve_data(str(tmp_path / "review"))


def test_a_path_without_any_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such data folder"):
        resolve_data(str(tmp_path / "no" / "data"))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").touch()
    with pytest.raises(UserError, match=r"train\.tsv: is a file"):
        resolve_data(str(tmp_path / "train.tsv"))
