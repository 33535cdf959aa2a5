"""``minbert sweep`` as a user meets it: exit codes, messages, a kill, Ctrl-C."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from command_line import complains, minbert, started, wait_for


def test_a_sweep_killed_in_the_middle_goes_on_at_the_same_bits(two_tasks_file: Path, tmp_path: Path) -> None:
    """The first run is finished when the kill comes and the second is in the middle."""
    words = [two_tasks_file, "--set", "training.epochs=6", "--set", "training.checkpoint_minutes=0.001"]
    words += ["--grid", "optimizer.learning_rate=1e-3,1e-4", "--keep-models", "all", "--out"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert minbert("sweep", *words, whole).returncode == 0
    with started("sweep", *words, cut) as process:
        wait_for(cut / "learning_rate=0.0001/checkpoints/last-*.safetensors")
        process.send(signal.SIGKILL)
    assert not (cut / "learning_rate=0.0001/metrics.json").exists()
    kept = {path: path.read_bytes() for path in (cut / "learning_rate=0.001").rglob("*") if path.is_file()}
    complains(minbert("sweep", *words, cut), "add --resume")
    again = minbert("sweep", *words, cut, "--resume")
    assert again.returncode == 0, again.stderr
    assert {path: path.read_bytes() for path in (cut / "learning_rate=0.001").rglob("*") if path.is_file()} == kept
    for name in ("learning_rate=0.001", "learning_rate=0.0001"):
        models = [(folder / name / "model.safetensors").read_bytes() for folder in (whole, cut)]
        assert models[0] == models[1]
    results = [json.loads((folder / "sweep.json").read_text()) for folder in (whole, cut)]
    assert [run["dev"] for run in results[0]["runs"]] == [run["dev"] for run in results[1]["runs"]]
    assert (whole / "best.yaml").read_bytes() == (cut / "best.yaml").read_bytes()


def test_ctrl_c_says_how_to_go_on(two_tasks_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "a sweep"
    words = [two_tasks_file, "--set", "training.epochs=5000", "--grid", "optimizer.learning_rate=1e-3,1e-4"]
    with started("sweep", *words, "--out", out) as process:
        wait_for(out / "learning_rate=0.001/checkpoints/last-*.safetensors")
        process.send(signal.SIGINT)
        result = process.ended()
    assert result.returncode == 130, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert f"--grid optimizer.learning_rate=1e-3,1e-4 --out '{out}' --resume" in result.stdout
    assert not (out / "learning_rate=0.0001").exists()


def test_a_failure_exits_with_1_after_the_table(two_tasks_file: Path, tmp_path: Path) -> None:
    words = ["--set", "training.epochs=1", "--set", "optimizer.max_gradient_norm=null"]
    words += ["--grid", "optimizer.learning_rate=1e30,1e-3"]
    result = minbert("sweep", two_tasks_file, *words, "--out", tmp_path / "out")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 of the runs failed" in result.stdout
    assert "best, base" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to vary"),
        (["--grid", "optimizer.learning_rate=-1,0,1"], "2 of 3 configurations cannot be trained"),
        (["--grid", "training.epoch=1"], "did you mean 'epochs'"),
        (["--grid", "training.epochs=1", "--trials", "3"], "go with --search"),
        (["--search", "training.epochs=1..3"], "--trials or --seconds"),
        (["--search", "training.epochs=1..3", "--trials", "3", "--seeds", "2"], "without --grid"),
        (["--seeds", "2", "--one-at-a-time"], "goes with --grid"),
        (["--seeds", "2", "--data", "/no/such/folder"], "/no/such/folder"),
    ],
)
def test_wrong_options_are_one_message_and_exit_2(
    two_tasks_file: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    result = minbert("sweep", two_tasks_file, *words, "--out", tmp_path / "out")
    complains(result, message)
    assert not (tmp_path / "out").exists()
