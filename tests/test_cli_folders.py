"""``minbert new``, ``train`` and ``data check`` of folders of files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from command_line import minbert
from minbert.cli import understanding
from minbert.errors import UserError
from minbert.recipe.recipe import load_recipe
from minbert.schema_inference.found import Question
from schema_inference.folders import of, one, splits, table, text, write

COLUMNS: dict[str, Any] = {"id": lambda row: f"r{row}", "text": text(), "label": of("calm", "wild", "odd")}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder whose folder ``mine`` has two tasks: one of three files, one of a single file."""
    write(
        tmp_path / "mine", splits(COLUMNS, "moods/{}.csv") | one({"text": text(5), "fair": of(0, 1)}, file="fair.jsonl")
    )
    return tmp_path


def test_new_writes_a_recipe_that_train_takes_unchanged(work: Path, tiny_encoder: Path) -> None:
    made = minbert("new", "mine", "--encoder", tiny_encoder, cwd=work)
    assert made.returncode == 0, made.stderr
    assert "  kind: classification of calm, odd, wild (3 names)" in made.stdout
    assert "  held_out: 20% (no dev file is there" in made.stdout
    assert "Train it with: minbert train recipe.yaml" in made.stdout
    written = (work / "recipe.yaml").read_text(encoding="utf-8")
    assert "    # 3 names\n    kind: classification\n" in written
    assert "data: mine\n" in written
    plan = minbert("train", "recipe.yaml", "--dry-run", cwd=work)
    assert plan.returncode == 0, plan.stderr


def test_new_writes_over_no_recipe_unless_it_is_forced(work: Path) -> None:
    (work / "recipe.yaml").write_text("mine", encoding="utf-8")
    refused = minbert("new", "mine", cwd=work)
    assert refused.returncode == 2
    assert "recipe.yaml: exists already" in refused.stderr
    assert (work / "recipe.yaml").read_text(encoding="utf-8") == "mine"
    assert minbert("new", "mine", "--force", cwd=work).returncode == 0
    assert list(load_recipe(str(work / "recipe.yaml")).tasks) == ["fair", "moods"]


def test_nothing_is_written_where_no_task_can_be_made(work: Path) -> None:
    (work / "empty").mkdir()
    failed = minbert("new", "empty", cwd=work)
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: empty: holds no file to train on.")
    assert not (work / "recipe.yaml").exists()


def test_train_a_folder(work: Path, tiny_encoder: Path) -> None:
    options = ["--encoder", tiny_encoder, "--set", "training.precision=fp32", "--set", "training.epochs=1"]
    trained = minbert("train", "mine", *options, cwd=work)
    assert trained.returncode == 0, trained.stderr
    assert "  label: label\n" in trained.stdout
    recipe = load_recipe(str(work / "runs/mine/recipe.yaml"))
    assert recipe.training.epochs == 1
    assert recipe.tasks["fair"].held_out == "20%"
    again = minbert("train", "mine", *options, "--resume", cwd=work)
    assert "runs/mine is finished: nothing is trained" in again.stdout
    evaluated = minbert("evaluate", "runs/mine", cwd=work)
    assert evaluated.returncode == 0, evaluated.stderr


def test_an_encoder_that_is_set_is_the_one_whose_tokens_count(
    work: Path, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = understanding.recipe_of_folders([str(work / "mine")], {}, [f"encoder.name={tiny_encoder}"])
    assert recipe.encoder.name == str(tiny_encoder)
    assert f"encoder: {tiny_encoder}" in capsys.readouterr().out
    with pytest.raises(
        UserError, match=r"tasks\.mood: there is no such task \(did you mean 'moods'\?\). The tasks are: "
    ):
        understanding.recipe_of_folders([str(work / "mine")], {}, ["tasks.mood.weight=2"])


def test_several_folders_are_one_recipe(work: Path, tiny_encoder: Path) -> None:
    write(work / "other", one(COLUMNS, file="other.csv"))
    plan = minbert("train", "mine/moods", "other", "--encoder", tiny_encoder, "--dry-run", cwd=work)
    assert plan.returncode == 0, plan.stderr
    assert [line for line in plan.stdout.splitlines() if line in ("moods", "other", "fair")] == ["moods", "other"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "mine", "quickstart"], "quickstart: is no folder. Give one recipe, or one or more folders"),
        (["train", "mine", "--data", "mine"], "--data goes with a recipe; a folder is its own."),
        (["data", "check", "mine", "--data", "mine"], "--data goes with a recipe; a folder is its own."),
        (
            ["train", "mine", "--set", "tasks.moods.clases=3"],
            "clases: unknown key; did you mean 'classes'?",
        ),
    ],
)
def test_words_that_do_not_go_together(words: list[str], told: str, work: Path) -> None:
    failed = minbert(*words, cwd=work)
    assert failed.returncode == 2
    assert told in failed.stderr


def test_a_shipped_recipe_comes_before_a_folder_of_its_name(work: Path, tiny_encoder: Path) -> None:
    (work / "quickstart").mkdir()
    plan = minbert("train", "quickstart", "--encoder", tiny_encoder, "--dry-run", cwd=work)
    assert plan.returncode == 0, plan.stderr


def test_data_check_of_a_folder_says_what_it_is_and_writes_nothing(work: Path) -> None:
    before = sorted(work.rglob("*"))
    checked = minbert("data", "check", "mine", cwd=work)
    assert checked.returncode == 0, checked.stderr
    assert "  kind: binary (labels are 0 and 1)" in checked.stdout
    assert "No problems found." in checked.stdout
    assert sorted(work.rglob("*")) == before
    with (work / "mine" / "fair.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "", "fair": 1}\n')
    checked = minbert("data", "check", "mine", cwd=work)
    assert checked.returncode == 0, checked.stderr
    assert "1 row lacks a label or a text, and the task leaves such rows out" in checked.stdout
    with (work / "mine" / "fair.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "so", "fair": \n')
    assert minbert("data", "check", "mine", cwd=work).returncode == 2


def test_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([7, 2])
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(answers))
    question = Question("Which is it?", ["this", "that"])
    assert understanding._asking()(question) is None  # the tests' input is no terminal
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: True, raising=False)
    assert understanding._asking()(question) == 1
    assert capsys.readouterr().out == "Which is it?\n  1  this\n  2  that\n"


def test_the_course_s_names(tmp_path: Path) -> None:
    pairs = {"id": lambda row: f"r{row}", "sentence1": text(), "sentence2": text(8), "is_duplicate": of(1.0, 0.0)}
    files = splits(
        {"": lambda row: row, "id": lambda row: f"r{row}", "sentence": text(), "sentiment": of(0, 1, 2, 3, 4)}
    )
    renamed = {name.replace("reviews", "ids-sst").replace("test", "test-student"): rows for name, rows in files.items()}
    quora = {"quora-train.csv": table(pairs), "quora-dev.csv": table(pairs, 20, 60)}
    checked = minbert("data", "check", write(tmp_path, renamed | quora))
    assert (
        "ids-sst\n  files: train 60 rows, dev 20 rows, test 20 rows\n  kind: classification of 5 classes"
        in checked.stdout
    )
    assert "quora\n" in checked.stdout
