"""Files that are whole or not there: on a full disk, after a kill, whoever writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from full_disk import full_disk
from minbert.encoder.tensor_files import write_tensors
from minbert.errors import UserError
from minbert.evaluation.answers import Answers, answers_path, write_answers
from minbert.files import atomic_path, link_or_copy, write_json, write_text
from minbert.tasks.predictions import Predictions
from minbert.training.checkpoint import LoopState, load_checkpoint, save_checkpoint


def checkpoint(folder: Path, step: int) -> Path:
    torch.manual_seed(step)
    model = nn.Linear(40, 40)
    path = folder / "last.safetensors"
    save_checkpoint(path, LoopState(step=step), model, torch.optim.SGD(model.parameters(), lr=0.1))
    return path


def rows(folder: Path, step: int) -> Path:
    ids = [f"{step}-{number}" for number in range(2000)]
    values = np.arange(2000.0)
    write_answers(folder, "mood", "dev", Answers(ids, values, Predictions(values, None, [])))
    return answers_path(folder, "mood", "dev")


def text(folder: Path, step: int) -> Path:
    write_text(folder / "history.jsonl", f"{step}\n" * 4000)
    return folder / "history.jsonl"


def json(folder: Path, step: int) -> Path:
    write_json(folder / "metrics.json", [step] * 4000)
    return folder / "metrics.json"


def tensors(folder: Path, step: int) -> Path:
    write_tensors(folder / "heads.safetensors", {"weight": torch.full((50, 50), float(step))}, {"report": "{}"})
    return folder / "heads.safetensors"


def copy(folder: Path, step: int) -> Path:
    source = folder / "source"
    if step == 1:
        source.write_bytes(b"1" * 5000)
    link_or_copy(source, folder / "copy")
    return folder / "copy"


@pytest.mark.parametrize("write", [checkpoint, rows, text, json, tensors, copy])
def test_a_full_disk_is_told_in_one_message_and_harms_nothing(
    write: Callable[[Path, int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    path = write(tmp_path, 1)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with full_disk(), pytest.raises(UserError) as caught:
        write(tmp_path, 2)
    told = str(caught.value)
    assert told.startswith(f"{path}: cannot be written (File too large")
    assert "MiB are free" in told
    assert "unharmed" in told
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_the_last_checkpoint_serves_after_a_full_disk(tmp_path: Path) -> None:
    checkpoint(tmp_path, 1)
    with full_disk(), pytest.raises(UserError, match=r"it takes 0\.0 MiB"):
        checkpoint(tmp_path, 2)
    model = nn.Linear(40, 40)
    state, _ = load_checkpoint(tmp_path / "last.safetensors", model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert state == LoopState(step=1)


def test_an_error_of_another_file_is_not_told_as_this_ones(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out"):
        (tmp_path / "nowhere").read_bytes()
    assert not list(tmp_path.iterdir())
