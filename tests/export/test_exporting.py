"""What all formats have in common: whole or not at all, refused with the reason and the way that is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import complains, minbert
from minbert.encoder.sources import load_encoder
from minbert.export.carrying import EXACT, Carried, Exported
from minbert.export.formats import Format
from minbert.multitask.model import MultitaskModel
from minbert.tasks.settings import TaskSettings
from minbert.text.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def run(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two tasks: one text, and a pair."""
    tasks = {
        "mood": TaskSettings.model_validate({"kind": "classification", "classes": ["a|b", "[bad]"]}),
        "close": TaskSettings.model_validate({"kind": "regression", "range": [0, 5], "pair": "bi"}),
    }
    model = MultitaskModel(load_encoder(str(tiny_encoder)), Tokenizer.from_files(tiny_encoder), tasks, 32)
    folder = tmp_path_factory.mktemp("run") / "run"
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def two_formats() -> Iterator[None]:
    """One format that carries all and one that refuses pairs; both write the tasks' names."""
    known = dict(Format.members)
    Format.members.clear()

    class Everything(Format):
        name = "everything"
        title = "names of tasks"

        def carries(self, exported: Exported) -> Carried:  # noqa: ARG002
            return EXACT

        def write(self, model: MultitaskModel, folder: Path) -> None:
            (folder / "tasks.json").write_text(json.dumps([*model.tasks, *model.heads]))

        def usage(self, model: MultitaskModel) -> str:  # noqa: ARG002
            return "Read `tasks.json`."

    class Single(Everything):
        name = "single"

        def carries(self, exported: Exported) -> Carried:
            if exported.task.pair is not None:
                return Carried("refused", "it reads one text at a time")
            return Carried("logits only", "nobody decides there")

    class Broken(Everything):
        name = "broken"

        def write(self, model: MultitaskModel, folder: Path) -> None:
            super().write(model, folder)
            (folder / "no" / "such").write_text("")

    class Missing(Everything):
        name = "missing"
        packages = ("no_such_package",)
        extra = "some"

    yield
    Format.members.clear()
    Format.members.update(known)


@pytest.mark.usefixtures("two_formats")
def test_a_folder_has_what_the_format_writes_and_a_page(run: Path, tmp_path: Path) -> None:
    told = minbert("export", run, "--to", "everything", tmp_path / "new")
    assert told.returncode == 0, told.stderr
    assert "mood: exact\nclose: exact\n" in told.stdout
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["README.md", "tasks.json"]
    assert json.loads((tmp_path / "new/tasks.json").read_text()) == ["mood", "close"] * 2
    page = (tmp_path / "new/README.md").read_text()
    assert "| `mood` | one text | one of 2 classes (a\\|b, [bad]), with probabilities | exact |" in page
    assert "Read `tasks.json`." in page
    assert str(tmp_path) not in page


@pytest.mark.usefixtures("two_formats")
def test_what_cannot_be_carried_is_refused_with_the_reason_and_the_ways_left(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    complains(
        minbert("export", run, "--to", "single", out),
        "single cannot carry task 'close': it reads one text at a time.",
        "--to everything",
        "--task mood exports the rest",
    )
    assert not list(tmp_path.iterdir())
    told = minbert("export", run, "--to", "single", out, "--task", "mood")
    assert "mood: logits only (nobody decides there)" in told.stdout
    assert json.loads((out / "tasks.json").read_text()) == ["mood", "mood"]
    assert "logits only: nobody decides there" in (out / "README.md").read_text()


@pytest.mark.usefixtures("two_formats")
def test_what_was_there_stays_and_what_fails_leaves_nothing(run: Path, tmp_path: Path) -> None:
    full, file, new = tmp_path / "full", tmp_path / "file", tmp_path / "new"
    full.mkdir()
    (full / "mine").write_text("mine")
    file.write_text("mine")
    complains(minbert("export", run, "--to", "everything", full), "exists and is not empty")
    complains(minbert("export", run, "--to", "everything", file), "exists and is no folder")
    complains(minbert("export", run, "--to", "broken", new), f"{new}: cannot be written (No such file or directory)")
    complains(minbert("export", run, "--to", "missing", new), "pip install 'minbert[some]'")
    complains(minbert("export", run, "--to", "everythin", new), "did you mean 'everything'?")
    complains(minbert("export", run, "--to", "everything", new, "--task", "moo"), "no task 'moo'")
    complains(minbert("export", tmp_path / "none", "--to", "everything", new), "none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]
    assert [path.name for path in full.iterdir()] == ["mine"]


@pytest.mark.usefixtures("two_formats")
def test_an_empty_folder_is_taken_and_what_a_killed_process_left_goes(run: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    left = tmp_path / f".new.{2**22 + 1}.partial"
    left.mkdir()
    (left / "half").write_text("")
    assert minbert("export", run, "--to", "everything", new).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]
