"""Ensembles of whole runs: what is averaged, what is written, what is refused."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.multitask.model import MultitaskModel
from minbert.recipe.recipe import parse_recipe
from minbert.running.run import train_recipe
from minbert.together.ensemble import make_ensemble
from minbert.together.ensemble_file import read_ensemble
from minbert.together.members import weighted_runs
from short_runs import trained

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")


@pytest.fixture
def pair(two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> list[Path]:
    """Two runs that differ in their seed."""
    two_tasks["tasks"]["mood"]["output"] = {"file": "sst", "column": "Predicted_Sentiment"}
    return [trained(two_tasks, tmp_path / name, quiet, seed=seed) for name, seed in (("a", 1), ("b", 2))]


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "predictions").iterdir()}


def test_an_ensemble_that_a_kill_has_cut_short_is_no_teacher_and_is_made_anew(
    pair: list[Path], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("minbert.together.ensemble.write_predicted", lambda *_: sys.exit(137))
        with pytest.raises(SystemExit):
            make_ensemble(pair[:1], tmp_path / "out", "uniform", None, quiet)
    with pytest.raises(UserError, match="this ensemble is not finished"):
        weighted_runs(tmp_path / "out")
    make_ensemble(pair[:1], tmp_path / "out", "uniform", None, quiet)
    assert written(tmp_path / "out") == written(pair[0])
    assert list(weighted_runs(tmp_path / "out")["mood"]) == pair[:1]


@pytest.mark.parametrize("weights", ["uniform", "dev"])
def test_an_ensemble_of_one_run_is_that_run(pair: list[Path], tmp_path: Path, quiet: Display, weights: Any) -> None:
    summary = make_ensemble(pair[:1], tmp_path / "out", weights, None, quiet)
    assert written(tmp_path / "out") == written(pair[0])
    own = json.loads((pair[0] / "metrics.json").read_text())
    assert json.loads((tmp_path / "out/metrics.json").read_text())["dev"] == own["dev"]
    assert [(m.run, m.weight) for m in summary.ensemble.tasks["mood"]] == [(str(pair[0]), 1.0)]


def test_two_runs_answer_by_the_mean_of_probabilities_and_scores(
    pair: list[Path], two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    out = tmp_path / "out"
    make_ensemble(pair, out, "uniform", None, quiet)
    models = [MultitaskModel.from_pretrained(run) for run in pair]
    data = Path(two_tasks["data"])
    lines = (data / "mood-test.tsv").read_text().splitlines()[1:]
    texts = [line.split("\t")[1] for line in lines]
    shares = np.mean([model.predict("mood", texts).probabilities for model in models], axis=0)
    expected = [f"mtest{n} , {int(k)} \n" for n, k in enumerate(shares.argmax(-1))]
    assert (out / "predictions/sst-test-output.csv").read_text() == "id \t Predicted_Sentiment \n" + "".join(expected)
    rows = [json.loads(line) for line in (data / "close-dev.jsonl").read_text().splitlines()]
    scores = np.mean(
        [model.predict("close", [(row["a"], row["b"]) for row in rows]).values for model in models], axis=0
    )
    found = [line.split(" , ") for line in (out / "predictions/close-dev-output.csv").read_text().splitlines()[1:]]
    assert [row_id for row_id, _ in found] == [row["id"] for row in rows]
    np.testing.assert_allclose([float(value) for _, value in found], scores, rtol=1e-6)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["dev"]["close"]["pearson"] == pytest.approx(
        np.corrcoef(scores, [row["score"] for row in rows])[0, 1], abs=1e-6
    )
    for run in pair:
        assert metrics["members"][str(run)] == json.loads((run / "metrics.json").read_text())["dev"]
    assert {m.weight for members in read_ensemble(out).tasks.values() for m in members} == {0.5}


def test_an_ensemble_moves_with_its_runs(
    pair: list[Path], tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = [Path(os.path.relpath(run)) for run in pair]
    make_ensemble(relative, Path("both"), "uniform", None, quiet)
    assert str(tmp_path) not in (tmp_path / "both/ensemble.json").read_text()
    moved = tmp_path / "elsewhere/deeper"
    moved.mkdir(parents=True)
    for folder in [*pair, tmp_path / "both"]:
        shutil.move(folder, moved)
    monkeypatch.chdir("/")
    expected = {moved / run.name: 0.5 for run in pair}
    assert weighted_runs(moved / "both") == {"mood": expected, "close": expected}


def test_runs_of_different_tasks_and_encoders(
    pair: list[Path], two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    alone = trained(
        two_tasks, tmp_path / "alone", quiet, tasks={"close": two_tasks["tasks"]["close"] | {"pair": "cross"}}
    )
    ensemble = make_ensemble([pair[0], alone], tmp_path / "out", "uniform", None, quiet).ensemble
    assert {name: [Path(m.run).name for m in members] for name, members in ensemble.tasks.items()} == {
        "mood": ["a"],
        "close": ["a", "alone"],
    }


def test_a_head_that_was_never_trained_has_no_say(
    pair: list[Path], two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    """A schedule of one task leaves the other heads of its recipe as they were drawn."""
    two_tasks["schedule"] = {"method": {"name": "single", "task": "mood"}, "batch_size": 4}
    two_tasks["training"] = {"epochs": 1, "head_start": "random", "precision": "fp32", "select": "mood"}
    single = tmp_path / "single"
    train_recipe(parse_recipe(two_tasks, "test"), single, False, quiet)
    both = make_ensemble([pair[0], single], tmp_path / "both", "uniform", None, quiet)
    assert {name: [Path(m.run).name for m in members] for name, members in both.ensemble.tasks.items()} == {
        "mood": ["a", "single"],
        "close": ["a"],
    }
    assert list(both.members[single].primary) == ["mood"] and list(both.members[pair[0]].primary) == ["mood", "close"]
    alone = make_ensemble([single], tmp_path / "alone", "dev", None, quiet)
    assert list(alone.ensemble.tasks) == ["mood"]
    assert {path.name.partition("-")[0] for path in (tmp_path / "alone/predictions").iterdir()} == {"sst"}


def test_weights_chosen_on_dev_tell_what_they_are_worth(pair: list[Path], tmp_path: Path, quiet: Display) -> None:
    summary = make_ensemble(pair, tmp_path / "out", "dev", None, quiet)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    plain = make_ensemble(pair, tmp_path / "plain", "uniform", None, quiet)
    for name in ("mood", "close"):
        assert summary.dev.primary[name] >= plain.dev.primary[name]
        assert [len(metrics["held_out"][name][way]) for way in ("chosen", "uniform")] == [2, 2]
        assert sum(member.weight for member in summary.ensemble.tasks[name]) == pytest.approx(1)


def test_other_files_can_be_given(pair: list[Path], two_tasks: dict[str, Any], tmp_path: Path, quiet: Display) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(two_tasks["data"], elsewhere)
    (elsewhere / "mood-test.tsv").unlink()
    path = elsewhere / "mood-dev.tsv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    make_ensemble(pair, tmp_path / "out", "uniform", str(elsewhere), quiet)
    names = set(written(tmp_path / "out"))
    assert names == {"sst-dev-output.csv", "close-dev-output.csv", "close-test-output.csv"}
    assert len((tmp_path / "out/predictions/sst-dev-output.csv").read_text().splitlines()) == 4


def test_what_cannot_be_put_together_is_refused(
    pair: list[Path], two_tasks: dict[str, Any], tmp_path: Path, quiet: Display
) -> None:
    def refused(runs: list[Path], message: str, out: str = "out") -> None:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(UserError, match=message):
            make_ensemble(runs, tmp_path / out, "uniform", None, quiet)
        assert sorted(tmp_path.rglob("*")) == before

    refused([pair[0], pair[0]], "named twice")
    refused([pair[0], tmp_path / "data"], "no run folder")
    refused(pair, "not empty", out="a")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(pair[0], unfinished)
    (unfinished / "metrics.json").unlink()
    refused([pair[1], unfinished], "not finished")

    mood = two_tasks["tasks"]["mood"]
    named = trained(two_tasks, tmp_path / "named", quiet, tasks={"mood": mood | {"classes": ["x", "y", "z"]}})
    refused([pair[0], named], "task 'mood' has other labels.*classification: x, y, z")
    f1 = trained(two_tasks, tmp_path / "f1", quiet, tasks={"mood": mood | {"metric": "macro_f1"}})
    refused([pair[0], f1], "scored by accuracy in .* by macro_f1")

    data = tmp_path / "other"
    shutil.copytree(two_tasks["data"], data)
    path = data / "mood-dev.tsv"
    path.write_text(path.read_text().replace("\t2\n", "\t1\n", 1))  # one label
    other = trained(two_tasks, tmp_path / "differs", quiet, data=str(data))
    refused([pair[0], other], "task 'mood': the dev rows .* differ")

    config = json.loads((pair[1] / "config.json").read_text())
    classes = config["minbert"]["tasks"]["mood"]["classes"]
    config["minbert"]["tasks"]["mood"]["classes"] = [f"class {number}" for number in range(classes)]
    torn = shutil.copytree(pair[1], tmp_path / "torn")
    (torn / "config.json").write_text(json.dumps(config))
    refused(
        [pair[0], torn], "task 'mood' is .* in recipe.yaml, but .*class 0.* in config.json. One of them was changed"
    )

    make_ensemble(pair, tmp_path / "done", "uniform", None, quiet)
    refused([pair[0], tmp_path / "done"], "is an ensemble")
    refused(pair, "not empty", out="done")
