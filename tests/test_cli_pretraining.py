"""``minbert pretrain`` as a user meets it: exit codes, messages, the folder it leaves, a stop and a second run."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import yaml

from command_line import complains, minbert, started, wait_for


@pytest.fixture
def recipe(tmp_path: Path, tiny_encoder: Path) -> Path:
    """A recipe over a plain file of a dozen texts."""
    texts = [
        f"the {a} {b} is {c}\n" for a in ("good", "bad") for b in ("film", "river") for c in ("dull", "fine", "cold")
    ]
    (tmp_path / "texts.txt").write_text("".join(texts * 2))
    tree = {
        "data": ".",
        "encoder": {"name": str(tiny_encoder)},
        "corpora": {"mine": {"files": "texts.txt"}},
        "held_out": {"share": 0.3},
        "training": {"epochs": 2, "batch_size": 4, "precision": "fp32"},
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_a_pretrained_encoder_can_be_trained_from(recipe: Path, two_tasks_file: Path, tmp_path: Path) -> None:
    result = minbert("pretrain", recipe, "--out", tmp_path / "run", "--seed", "3", "--set", "training.epochs=1")
    assert result.returncode == 0, result.stderr
    for words in ("held out", "perplexity", "by frequency", "minbert train FOLDER --encoder"):
        assert words in result.stdout
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"recipe.yaml", "model.safetensors", "config.json", "tokenizer.json", "vocab.txt"}
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["seed"] == 3
    assert set(metrics["held_out"]) == {"mine", "overall"}
    assert metrics["held_out"]["mine"].keys() == {"loss", "perplexity", "accuracy", "tokens"}
    lines = [json.loads(line) for line in (tmp_path / "run/history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, metrics["steps"]]

    out = tmp_path / "trained"
    result = minbert("train", two_tasks_file, "--encoder", tmp_path / "run", "--set", "training.epochs=1", "--out", out)
    assert result.returncode == 0, result.stderr
    complains(minbert("evaluate", tmp_path / "run"), "recipe")
    complains(minbert("predict", tmp_path / "run", "--task", "mood", "x"), "without tasks")


def test_a_folder_holds_one_run(recipe: Path, tmp_path: Path) -> None:
    first = minbert("pretrain", recipe, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    out = tmp_path / "runs/mine"
    before = (out / "model.safetensors").read_bytes()
    complains(minbert("pretrain", recipe, "--out", out), "a finished run of this recipe", "--resume")
    complains(minbert("pretrain", recipe, "--out", out, "--seed", "4"), "another recipe", "minbert pretrain")
    complains(minbert("pretrain", recipe, "--out", tmp_path), "no run of minbert's")
    again = minbert("pretrain", recipe, "--resume", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (out / "model.safetensors").read_bytes() == before
    second = minbert("pretrain", recipe, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "runs/mine-2/model.safetensors").read_bytes() == before


def test_ctrl_c_saves_and_exits_130_and_resume_goes_on(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["pretrain", str(recipe), "--set", "training.epochs=100", "--set", "training.evaluate_every=50"]
    whole = minbert(*words, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    with started(*words, "--out", out) as process:
        wait_for(out / "history.jsonl", lines=2)  # it trains: before the first step Ctrl-C ends it at once
        process.send(signal.SIGINT)
        stopped = process.ended()
    assert stopped.returncode == 130, stopped.stdout + stopped.stderr
    assert "--resume" in stopped.stdout
    resumed = minbert(*words, "--out", out, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()
    left, right = (json.loads((folder / "metrics.json").read_text()) for folder in (out, tmp_path / "whole"))
    assert left["held_out"] == right["held_out"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nothing-like-this"], ["nothing-like-this", "minbert recipes"]),
        (["pretrain/smaple"], ["did you mean 'pretrain/sample'"]),
        (["pretrain/cs224n"], ["--data"]),
        (["pretrain/cs224n", "--data", "/no/such/folder"], ["/no/such/folder"]),
        (["pretrain/sample", "--encoder", "/no/such/encoder"], ["/no/such/encoder"]),
        (["pretrain/sample", "--set", "masking.shaer=0.2"], ["did you mean 'share'"]),
        (["quickstart"], ["corpora: is missing"]),
        ([], ["Missing argument"]),
    ],
)
def test_wrong_commands_are_one_message_and_exit_2(words: list[str], expected: list[str], tmp_path: Path) -> None:
    complains(minbert("pretrain", *words, cwd=tmp_path), *expected)
    assert not list(tmp_path.iterdir())


def test_shipped_recipes_are_listed_and_copied(tmp_path: Path) -> None:
    assert "pretrain/sample" in minbert("recipes").stdout
    copy = tmp_path / "mine.yaml"
    assert "minbert pretrain" in minbert("recipes", "copy", "pretrain/sample", copy).stdout
    assert copy.read_text() == minbert("recipes", "show", "pretrain/sample").stdout
