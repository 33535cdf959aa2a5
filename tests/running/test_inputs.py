"""A run goes on with the data, the encoder and the teachers it began with, or not at all."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from command_line import minbert
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.pretraining.recipe import parse_pretraining_recipe
from minbert.pretraining.run import pretrain_recipe
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.run_folder.inputs import RunInputs
from minbert.running.run import train_recipe
from minbert.training.checkpoint_folder import newest_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")


class Stopped(Exception):  # noqa: N818  (a stop, as by a kill)
    """The run was stopped after its first checkpoint."""


@pytest.fixture
def recipe(two_tasks: dict[str, Any], tmp_path: Path, tiny_encoder: Path, quiet: Display) -> Recipe:
    """Two tasks, of which one has a teacher and shares rows, from an encoder of its own."""
    two_tasks["encoder"] = {"name": str(shutil.copytree(tiny_encoder, tmp_path / "encoder"))}
    two_tasks["training"] |= {"encoder": "frozen", "epochs": 1}
    train_recipe(parse_recipe(two_tasks, "test"), tmp_path / "teacher", False, quiet)
    shutil.copy(tmp_path / "data/mood-dev.tsv", tmp_path / "data/more.tsv")
    two_tasks["tasks"]["mood"]["also_train_on"] = [{"file": "more.tsv", "text": "text", "label": "label", "id": "id"}]
    two_tasks["distillation"] = {"teachers": {"mood": [str(tmp_path / "teacher")]}}
    return parse_recipe(two_tasks, "test")


@pytest.fixture
def stopped(recipe: Recipe, tmp_path: Path, quiet: Display) -> Path:
    """The folder of a run of it that was stopped at its first evaluation."""

    def stop(*_: object) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        train_recipe(recipe, tmp_path / "run", False, quiet, stop)
    assert newest_checkpoint(tmp_path / "run")
    return tmp_path / "run"


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\n")


def test_another_file_is_refused_and_named(recipe: Recipe, stopped: Path, tmp_path: Path, quiet: Display) -> None:
    files = {
        "tasks.mood.files.train": "data/mood-train.tsv",
        "tasks.close.files.dev": "data/close-dev.jsonl",
        "tasks.close.files.test": "data/close-test.jsonl",
        "tasks.mood.also_train_on.more.tsv": "data/more.tsv",
        "encoder.name.vocab.txt": "encoder/vocab.txt",
        "encoder.name.config.json": "encoder/config.json",
        f"distillation.teachers.{tmp_path / 'teacher'}": "teacher/model.safetensors",
    }
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    assert json.loads((stopped / "inputs.json").read_text()).keys() >= files.keys()
    for key, name in files.items():
        path = tmp_path / name
        content = path.read_bytes()
        append(path)
        with pytest.raises(UserError, match="this run began with other contents of") as caught:
            train_recipe(recipe, stopped, True, quiet)
        assert f"{key} ({path})" in str(caught.value)
        path.write_bytes(content)
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before
    shutil.rmtree(tmp_path / "teacher/checkpoints")  # no part of what it says
    train_recipe(recipe, stopped, True, quiet)
    append(tmp_path / "data/mood-train.tsv")
    train_recipe(recipe, stopped, True, quiet)  # finished: only summed up


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": {"file": "b"}}'])
def test_a_damaged_record_is_told(tmp_path: Path, quiet: Display, text: str) -> None:
    (tmp_path / "inputs.json").write_text(text)
    with pytest.raises(UserError, match=r"inputs\.json"):
        RunInputs(tmp_path, True, quiet)


def test_an_older_run_without_the_record_goes_on_with_a_note(recipe: Recipe, stopped: Path) -> None:
    (stopped / "inputs.json").unlink()
    told = io.StringIO()
    train_recipe(recipe, stopped, True, Display(Console(file=told, width=1000)))
    assert "has no record of the files it began with" in told.getvalue()
    assert (stopped / "metrics.json").is_file()


@pytest.mark.parametrize("of_recipe", [False, True])
def test_pretraining_too(
    two_tasks_file: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    quiet: Display,
    monkeypatch: pytest.MonkeyPatch,
    of_recipe: bool,
) -> None:
    data = tmp_path / "data"
    (data / "texts.txt").write_text("".join(f"the film is good {n}\n" for n in range(30)))
    corpus = {"recipe": str(two_tasks_file), "task": "mood"} if of_recipe else {"files": ["texts.txt"]}
    tree = {"data": str(data), "encoder": {"name": str(tiny_encoder)}, "corpora": {"mine": corpus}}
    recipe = parse_pretraining_recipe(tree | {"held_out": {"share": 0.4}, "training": {"epochs": 1}}, "test")

    def stop(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("minbert.pretraining.loop.PretrainingLoop._step", stop)
        with pytest.raises(Stopped):
            pretrain_recipe(recipe, tmp_path / "run", False, quiet)
    file = "mood-train.tsv" if of_recipe else "texts.txt"
    append(data / file)
    with pytest.raises(UserError, match=rf"other contents of corpora\.mine\.{file} "):
        pretrain_recipe(recipe, tmp_path / "run", True, quiet)


def test_a_finished_pretraining_tells_of_files_that_changed_since(
    tiny_encoder: Path, tmp_path: Path, quiet: Display
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"the film is good {n}\n" for n in range(30)))
    tree = {
        "data": str(tmp_path),
        "encoder": {"name": str(tiny_encoder)},
        "corpora": {"mine": {"files": ["texts.txt"]}},
    }
    recipe = parse_pretraining_recipe(tree | {"held_out": {"share": 0.4}, "training": {"epochs": 1}}, "test")
    pretrain_recipe(recipe, tmp_path / "run", False, quiet)
    append(texts)
    written = io.StringIO()
    pretrain_recipe(recipe, tmp_path / "run", True, Display(Console(file=written, width=1000)))
    assert f"corpora.mine.texts.txt ({texts}) changed since" in written.getvalue()


def test_a_finished_run_tells_of_files_that_changed_since(two_tasks: dict[str, Any], tmp_path: Path) -> None:
    two_tasks["training"] |= {"epochs": 1}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(two_tasks))
    words = ["train", tmp_path / "mine.yaml", "--out", tmp_path / "run"]
    assert minbert(*words).returncode == 0
    same = minbert(*words, "--resume").stdout
    assert "is finished: nothing is trained" in same
    assert "changed since" not in same
    dev = tmp_path / "data/mood-dev.tsv"
    dev.write_text(dev.read_text() + "new\tgood film\t1\n")
    told = minbert(*words, "--resume").stdout
    assert f"a run of what files held before: tasks.mood.files.dev ({dev}) changed since" in told


def test_a_finished_run_tells_of_another_encoder_and_teacher(recipe: Recipe, tmp_path: Path) -> None:
    def told() -> str:
        written = io.StringIO()
        train_recipe(recipe, tmp_path / "run", True, Display(Console(file=written, width=1000)))
        return written.getvalue()

    told()
    assert "changed since" not in told()
    encoder, teacher = tmp_path / "encoder/config.json", tmp_path / "teacher/model.safetensors"
    append(encoder)
    append(teacher)
    expected = f"distillation.teachers.{tmp_path / 'teacher'} ({teacher}); encoder.name.config.json ({encoder})"
    assert f"a run of what files held before: {expected} changed since" in told()
    shutil.rmtree(tmp_path / "teacher")
    assert f"before: encoder.name.config.json ({encoder}) changed since" in told()
