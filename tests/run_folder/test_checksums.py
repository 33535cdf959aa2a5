"""Answers that a disk or a copy has changed are told where they are read."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from command_line import complains, minbert
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.evaluation.answers import read_answers
from minbert.files.checksums import CHECKSUMS, check_checksum, write_checksums
from minbert.text.file_names import ALL as TOKENIZER_FILES
from run_bits import flip
from short_runs import trained


@pytest.fixture
def run(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> Path:
    return trained(two_tasks, tmp_path / "run", quiet)


def test_the_checksums_are_those_of_sha256sum(run: Path) -> None:
    lines = (run / CHECKSUMS).read_text().splitlines()
    told = dict(reversed(line.split("  ")) for line in lines)
    written = {
        path.relative_to(run).as_posix() for name in ("answers", "predictions") for path in (run / name).iterdir()
    }
    written |= {"config.json", *(path.name for path in run.iterdir() if path.name in TOKENIZER_FILES)}
    assert told == {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in written}


def test_a_flipped_bit_of_answers_is_told_with_the_file(
    run: Path, two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    path = run / "answers/mood-dev.parquet"
    whole, draws = path.read_bytes(), random.Random(3)
    for _ in range(100):
        flip(path, draws.randrange(len(whole)), draws.randrange(8))
        with pytest.raises(UserError, match=r"mood-dev\.parquet: is not what was written"):
            read_answers(run, "mood", "dev")
        path.write_bytes(whole)
    read_answers(run, "mood", "dev")
    other = trained(two_tasks, tmp_path / "other", quiet, seed=2)
    flip(path, 40)
    told = f"{path}: is not what was written"
    complains(minbert("compare", run, other), told, "--resume")
    assert f"left out: {told}" in minbert("report", run, "--out", tmp_path / "page.html").stdout
    (run / "metrics.json").unlink()
    assert minbert("train", run / "recipe.yaml", "--out", run, "--resume").returncode == 0
    assert path.read_bytes() == whole


def test_a_folder_without_checksums_is_read_as_before(run: Path) -> None:
    (run / CHECKSUMS).unlink()
    read_answers(run, "mood", "dev")


def test_what_the_checksums_do_not_list_is_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    write_checksums(tmp_path, [tmp_path / "a"])
    check_checksum(tmp_path, tmp_path / "a")
    with pytest.raises(UserError, match="b: is not what was written"):
        check_checksum(tmp_path, tmp_path / "b")
    (tmp_path / CHECKSUMS).write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"checksums\.sha256: cannot be read"):
        check_checksum(tmp_path, tmp_path / "a")
