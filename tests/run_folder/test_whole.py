"""What is finished is read before it is called so: a damaged model or answer is told, with what to do."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import complains, minbert
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files.checksums import CHECKSUMS
from minbert.run_folder.whole import check_whole
from run_bits import flip
from short_runs import trained

ONE_EPOCH = ["--set", "training.epochs=1"]


def test_a_finished_run_is_not_called_so_where_a_file_is_not_what_was_written(
    two_tasks_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ["train", two_tasks_file, *ONE_EPOCH, "--set", "training.keep_best_of_tasks=true", "--out", out, "--resume"]
    assert minbert(*words).returncode == 0
    again = minbert(*words)
    assert again.returncode == 0
    assert "is finished: nothing is trained" in again.stdout
    for name in ("model.safetensors", "best/mood/model.safetensors"):
        whole = (out / name).read_bytes()
        (out / name).unlink()  # the two may be one file on disk
        (out / name).write_bytes(whole)
        flip(out / name, -40)
        complains(minbert(*words), f"{out / name}: the tensor", f"Copy it again, or remove {out} and train anew")
        (out / name).write_bytes(whole[:-40])
        complains(minbert(*words), f"{out / name}: cannot be read", f"remove {out} and train anew")
        (out / name).write_bytes(whole)
    for name in ("config.json", "tokenizer.json"):
        whole = (out / name).read_bytes()
        flip(out / name, -20)
        complains(minbert(*words), f"{out / name}: is not what was written", f"remove {out} and train anew")
        (out / name).write_bytes(whole)
    flip(out / "answers/mood-dev.parquet", 40)
    complains(minbert(*words), "mood-dev.parquet: is not what was written", f"delete {out / 'metrics.json'}")
    (out / "answers/mood-dev.parquet").unlink()
    complains(minbert(*words), "mood-dev.parquet: is gone", f"delete {out / 'metrics.json'}")
    (out / "metrics.json").unlink()
    assert minbert(*words).returncode == 0
    assert minbert(*words).returncode == 0
    (out / "checksums.sha256").write_text("abc\n")
    complains(minbert(*words), "checksums.sha256: a line of it is no checksum: 'abc'")


def test_a_sweep_names_the_run_that_is_damaged(two_tasks_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    words = ["sweep", two_tasks_file, *ONE_EPOCH, "--grid", "optimizer.learning_rate=1e-3,1e-4", "--out", out]
    assert minbert(*words).returncode == 0
    [model] = out.glob("*/model.safetensors")
    flip(model, -40)
    complains(minbert(*words, "--resume"), f"{model}: the tensor", f"remove {model.parent}: the sweep keeps its scores")
    shutil.rmtree(model.parent)
    assert minbert(*words, "--resume").returncode == 0


def test_a_pretraining_that_is_damaged_is_told(two_tasks_file: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(f"a good film {number}" for number in range(20)))
    recipe = tmp_path / "pretraining.yaml"
    tree = {
        "data": str(tmp_path),
        "encoder": yaml.safe_load(two_tasks_file.read_text())["encoder"],
        "corpora": {"plain": {"files": "texts.txt"}},
        "held_out": {"share": 0.2},
        "training": {"epochs": 1, "batch_size": 8, "precision": "fp32"},
    }
    recipe.write_text(yaml.safe_dump(tree))
    words = ["pretrain", recipe, "--out", tmp_path / "run", "--resume"]
    assert minbert(*words).returncode == 0
    assert minbert(*words).returncode == 0
    flip(tmp_path / "run/model.safetensors", -40)
    complains(minbert(*words), "run/model.safetensors: the tensor", "Copy it again")
    flip(tmp_path / "run/model.safetensors", -40)
    flip(tmp_path / "run/tokenizer.json", -20)
    complains(minbert(*words), "run/tokenizer.json: is not what was written", "and train anew")


def test_any_flipped_bit_of_the_checksums_is_told(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    run = trained(two_tasks, tmp_path / "run", quiet)
    path = run / CHECKSUMS
    whole, draws = path.read_bytes(), random.Random(3)
    check_whole(run)
    for _ in range(200):
        flip(path, draws.randrange(len(whole)), draws.randrange(8))
        with pytest.raises(UserError, match=r"Copy it again|cannot be read"):
            check_whole(run)
        path.write_bytes(whole)
    for name in ("/etc/hosts", "../x", "a/../../x", "x" * 300):
        path.write_text(f"{'0' * 64}  {name}\n")
        with pytest.raises(UserError, match=r"is no checksum|is gone"):
            check_whole(run)
