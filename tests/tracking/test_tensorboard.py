"""TensorBoard's event files, read back with its own reader: every line of history once, whatever happens to a run."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator
from typer.testing import CliRunner

from minbert.cli.main import app
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.recipe.recipe import Recipe, parse_recipe
from minbert.running.run import train_recipe
from minbert.tracking import TRACKERS, find_trackers
from minbert.tracking.tensorboard import TensorBoard, scalars
from minbert.training.history import HISTORY
from minbert.training.loop import TrainingLoop

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")

Events = dict[str, list[tuple[int, float]]]
"""Every scalar's steps and values, in the order of steps."""

LINE = {
    "step": 7,
    "seconds": 1.5,
    "losses": {"mood": 0.5},
    "combination": {
        "weights": {"mood": 2.0},
        "norms": {"mood": 3.0},
        "cosines": {"mood~close-to": -0.25},
        "conflicts": {"mood~close-to": 0.5},
        "moved": 0.125,
    },
    "regularization": {"mood": {"smart": {"penalty": 0.75}}},
    "dev": {"mood": {"accuracy": 0.25, "macro_f1": 0.125}, "overall": 0.375, "overall_leaderboard": 0.625},
}


@pytest.fixture
def recipe(two_tasks: dict[str, Any]) -> Recipe:
    two_tasks["combination"] = "pcgrad"
    return parse_recipe(two_tasks, "test")


def events(run: Path) -> Events:
    reader = EventAccumulator(str(run / "tensorboard"), size_guidance={SCALARS: 0})
    reader.Reload()
    # The reader takes files by name, which for two of the same second says nothing of which came first.
    return {tag: sorted((event.step, event.value) for event in reader.Scalars(tag)) for tag in reader.Tags()["scalars"]}


def texts(run: Path) -> list[str]:
    reader = EventAccumulator(str(run / "tensorboard"))
    reader.Reload()
    tags = reader.Tags()["tensors"]
    return [event.tensor_proto.string_val[0].decode() for tag in tags for event in reader.Tensors(tag)]


def track(recipe: Recipe, out: Path, resume: bool, display: Display) -> dict[str, Any]:
    return train_recipe(recipe, out, resume, display, trackers=find_trackers(["tensorboard"], out)).metrics


def assert_holds_the_history(run: Path) -> None:
    """Every number of every line is there once, and beside them the kept model's scores, and no more.

    The seconds may be those of an evaluation that came again after a kill.
    """
    lines = [json.loads(line) for line in (run / HISTORY).read_text().splitlines()]
    expected: Events = {}
    for line in lines:
        for name, value in scalars(line).items():
            expected.setdefault(name, []).append((line["step"], pytest.approx(value, rel=1e-6)))
    metrics = json.loads((run / "metrics.json").read_text())
    for task, scores in metrics["dev"].items():
        for name, score in scores.items() if isinstance(scores, dict) else [("", scores)]:
            tag = f"kept/{task}/{name}".rstrip("/")
            expected[tag] = [(metrics["best_step"], pytest.approx(score, rel=1e-6))]
    got = events(run)
    seconds, clock = got.pop("time/train_seconds"), expected.pop("time/train_seconds")
    assert [step for step, _ in seconds] == [step for step, _ in clock]
    assert got == expected


def test_names_are_the_fields() -> None:
    assert scalars(LINE) == {
        "time/train_seconds": 1.5,
        "loss/mood": 0.5,
        "combination/weights/mood": 2.0,
        "gradients/norm/mood": 3.0,
        "gradients/cosine/mood.close-to": -0.25,
        "gradients/conflicts/mood.close-to": 0.5,
        "gradients/moved": 0.125,
        "regularization/mood/smart/penalty": 0.75,
        "dev/mood/accuracy": 0.25,
        "dev/mood/macro_f1": 0.125,
        "dev/overall": 0.375,
        "dev/overall_leaderboard": 0.625,
    }


def test_a_run_is_tracked_line_by_line(recipe: Recipe, tmp_path: Path, quiet: Display) -> None:
    run = tmp_path / "run"
    track(recipe, run, False, quiet)
    assert_holds_the_history(run)
    got = events(run)
    assert [step for step, _ in got["dev/close/pearson"]] == [0, 3, 6, 9, 12]
    assert [step for step, _ in got["gradients/cosine/mood.close"]] == [3, 6, 9, 12]
    [told] = texts(run)
    assert '"epochs": 2' in told

    before = sorted((run / "tensorboard").iterdir())
    track(recipe, run, True, quiet)  # a finished run: nothing new to tell
    assert sorted((run / "tensorboard").iterdir()) == before


def test_tracking_changes_nothing_and_may_begin_when_the_run_is_over(
    recipe: Recipe, tmp_path: Path, quiet: Display
) -> None:
    train_recipe(recipe, tmp_path / "late", False, quiet)
    assert not (tmp_path / "late/tensorboard").exists()
    track(recipe, tmp_path / "late", True, quiet)
    assert_holds_the_history(tmp_path / "late")
    track(recipe, tmp_path / "early", False, quiet)
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("late", "early")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("tracked_before", [True, False])
def test_a_killed_run_that_goes_on_repeats_no_line(
    recipe: Recipe, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch, tracked_before: bool
) -> None:
    class KilledError(Exception):
        pass

    save = TrainingLoop._checkpoint

    def save_until_step_six(loop: TrainingLoop) -> None:
        if loop.state.step >= 6:
            raise KilledError  # the line of step 6 has been told, and will be told again
        save(loop)

    run = tmp_path / "run"
    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(TrainingLoop, "_checkpoint", save_until_step_six)
        train_recipe(recipe, run, False, quiet, trackers=find_trackers(["tensorboard"] if tracked_before else [], run))
    if tracked_before:
        assert [step for step, _ in events(run)["dev/overall"]] == [0, 3, 6]
    track(recipe, run, True, quiet)
    assert_holds_the_history(run)
    assert len(texts(run)) == 1


def test_a_line_that_was_torn_in_writing_is_told_again(tmp_path: Path) -> None:
    first = TensorBoard(tmp_path)
    first.started({})
    first.recorded(LINE | {"step": 0})
    [file] = (tmp_path / "tensorboard").iterdir()
    whole = file.read_bytes()
    first.recorded(LINE)
    full = file.read_bytes()
    for length in range(len(whole) + 1, len(full), 29):
        torn = tmp_path / f"torn-{length}"
        (torn / "tensorboard").mkdir(parents=True)
        (torn / "tensorboard" / file.name).write_bytes(full[:length])
        again = TensorBoard(torn)
        again.started({})
        again.recorded(LINE | {"step": 0})
        again.recorded(LINE)
        steps = {tag: [step for step, _ in got] for tag, got in events(torn).items()}
        assert steps == {tag: [0, 7] for tag in scalars(LINE)}
        shutil.rmtree(torn)


def test_a_tracker_of_ones_own_is_told_the_same(recipe: Recipe, tmp_path: Path, quiet: Display) -> None:
    class Notes:
        def __init__(self) -> None:
            self.told: list[tuple[str, Any]] = []

        def started(self, recipe: Any) -> None:
            self.told.append(("started", recipe))

        def recorded(self, line: Any) -> None:
            self.told.append(("recorded", line))

        def finished(self, metrics: Any) -> None:
            self.told.append(("finished", metrics))

    notes = Notes()
    out = tmp_path / "run"
    train_recipe(recipe, out, False, quiet, trackers=[notes])
    lines = [json.loads(line) for line in (out / HISTORY).read_text().splitlines()]
    assert [what for what, _ in notes.told] == ["started", *["recorded"] * 5, "finished"]
    assert notes.told[0][1]["tasks"].keys() == recipe.tasks.keys()
    assert json.loads(json.dumps([line for _, line in notes.told[1:-1]])) == lines
    assert notes.told[-1][1] == json.loads((out / "metrics.json").read_text())


def test_what_cannot_be_tracked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="did you mean 'tensorboard'"):
        find_trackers(["tensorbord"], tmp_path)
    assert len(find_trackers(["tensorboard", "tensorboard"], tmp_path)) == 1
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005
    for name in TRACKERS:
        with pytest.raises(UserError, match=r"pip install 'minbert\[tracking\]'"):
            find_trackers([name], tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_line_tracks(two_tasks_file: Path, tmp_path: Path) -> None:
    words = ["train", str(two_tasks_file), "--out", str(tmp_path / "run"), "--set", "training.epochs=1"]
    result = CliRunner().invoke(app, [*words, "--track", "wandb"])
    assert isinstance(result.exception, UserError)
    assert "known: tensorboard" in str(result.exception)
    assert not (tmp_path / "run").exists()
    assert CliRunner().invoke(app, [*words, "--track", "tensorboard"]).exit_code == 0
    assert [step for step, _ in events(tmp_path / "run")["dev/overall"]] == [0, 3, 6]
