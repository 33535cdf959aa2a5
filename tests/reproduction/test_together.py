"""Rows that are other rows' runs taken together."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch.testing import assert_close

from minbert.errors import UserError
from minbert.reproduction import runs as runs_module
from minbert.reproduction.papers import load_paper
from minbert.reproduction.tables import grids
from minbert.training.stepper import NotFiniteError

TOGETHER = """
      mixed: {label: soup, recipe: base.yaml, together: soup, asked: true}
      all: {label: ensemble, recipe: [base.yaml, mood-alone.yaml], together: ensemble, asked: true}
"""


@pytest.fixture
def with_together(paper: Path) -> Path:
    paper.write_text(paper.read_text().rstrip("\n") + TOGETHER)
    return paper


def scores_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())["dev"]
    return found


@pytest.mark.usefixtures("with_together")
def test_a_soup_and_an_ensemble_are_of_all_seeds(run: Any, tmp_path: Path) -> None:
    results = run(rows=["mixed", "all"], seeds="1,2", keep_models=True)
    out = tmp_path / "out"
    rows = results["tables"]["main"]["rows"]
    assert list(rows) == ["base", "mixed", "all"] and results["finished"] == results["runs"] == 4
    for name in ("mixed", "all"):
        dev = scores_in(out / name)
        assert rows[name]["ours"] == {
            "all": [dev["overall"]],
            "mood": [dev["mood"]["accuracy"]],
            "F1": [dev["mood"]["macro_f1"]],
        }
        assert not rows[name]["single_task"] and not rows[name]["failures"]
    # Greedy or not, a soup starts from one of the runs, and an ensemble counts every run of a task alike.
    soup = json.loads((out / "mixed" / "soup.json").read_text())
    assert {Path(each["run"]).parts[-2:] for each in soup["ingredients"]} == {("base", "seed-1"), ("base", "seed-2")}
    taken = [load_file(Path(each["run"]) / "model.safetensors") for each in soup["ingredients"] if each["taken"]]
    name = next(iter(taken[0]))
    mean = sum(weights[name].double() for weights in taken) / len(taken)
    assert_close(load_file(out / "mixed" / "model.safetensors")[name].double(), mean, rtol=0, atol=1e-6)
    members = json.loads((out / "all" / "ensemble.json").read_text())["tasks"]
    assert [member["weight"] for member in members["mood"]] == [0.25] * 4
    assert [member["weight"] for member in members["close"]] == [0.5] * 2  # mood-alone never trained that head
    seconds = {
        system: [
            json.loads((out / system / f"seed-{seed}" / "metrics.json").read_text())["train_seconds"] for seed in (1, 2)
        ]
        for system in ("base", "mood-alone")
    }
    assert rows["base"]["seconds"] == pytest.approx(statistics.fmean(seconds["base"]), abs=0.06)
    assert rows["mixed"]["seconds"] == pytest.approx(sum(seconds["base"]), abs=0.06)
    assert rows["all"]["seconds"] == pytest.approx(sum(sum(each) for each in seconds.values()), abs=0.06)
    shown = grids(results)[0].rows
    assert shown[1][0] == "soup" and shown[1][2].startswith(f"{rows['mixed']['ours']['all'][0]:.3f} (")


@pytest.mark.usefixtures("with_together")
def test_what_was_made_is_kept_and_of_other_runs_it_is_refused(run: Any, tmp_path: Path) -> None:
    first = run(rows=["mixed"], seeds="1,2", keep_models=True)
    folder = tmp_path / "out" / "mixed"
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert run(rows=["mixed"], seeds="1,2", keep_models=True)["tables"] == first["tables"]
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="mixed: is made of other runs; remove it"):
        run(rows=["mixed"], seeds="1,2,3", keep_models=True)
    assert not (tmp_path / "out" / "base" / "seed-3").exists()  # told before anything is trained
    (folder / "metrics.json").unlink()  # as if stopped while it was written
    assert run(rows=["mixed"], seeds="1,2", keep_models=True)["tables"] == first["tables"]
    shutil.rmtree(folder)
    (tmp_path / "out" / "base" / "seed-2" / "model.safetensors").unlink()
    with pytest.raises(UserError, match="seed-2: was run without --keep-models, and mixed needs its model"):
        run(rows=["mixed"], seeds="1,2", keep_models=True)


@pytest.mark.usefixtures("with_together")
def test_what_cannot_be_made_is_told_before_anything_runs(run: Any, paper: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="row 'mixed': is made of several runs, and there is one; ask for more --seeds"):
        run(rows=["mixed"], keep_models=True)
    with pytest.raises(UserError, match=r"row 'mixed': .*add --keep-models"):
        run(rows=["mixed"], seeds="2")
    text = paper.read_text()
    only_mood = text.replace("[base.yaml, mood-alone.yaml]", "[mood-alone.yaml]")  # has a head for close, untrained
    paper.write_text(only_mood.replace("F1: mood.macro_f1", "F1: close.pearson"))
    with pytest.raises(UserError, match=r"'close\.pearson' is no score"):
        run(rows=["all"], seeds="2", keep_models=True)
    paper.write_text(text.replace("mixed:", "mood-alone:"))
    with pytest.raises(UserError, match="row 'mood-alone': another row, or a recipe, has this name"):
        run(rows=["mood-alone"], seeds="2", keep_models=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("with_together")
def test_of_a_run_that_failed_nothing_is_made(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = runs_module.train_recipe

    def diverging(recipe: Any, folder: Path, **more: Any) -> Any:
        if recipe.seed != 2:
            return train(recipe, folder, **more)
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text(recipe.to_yaml())
        raise NotFiniteError("step 3: the loss of task 'mood' is inf")

    monkeypatch.setattr(runs_module, "train_recipe", diverging)
    row = run(rows=["mixed"], seeds="1,2", keep_models=True)["tables"]["main"]["rows"]["mixed"]
    assert row["failures"] == ["one of its runs failed: step 3: the loss of task 'mood' is inf"]
    assert row["ours"] == {"all": [], "mood": [], "F1": []} and not (tmp_path / "out" / "mixed").exists()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{label: x, recipe: [base.yaml, cosine.yaml]}", "'together' says what is made of them"),
        ("{label: x, recipe: {mood: base.yaml}, together: soup}", "give a list"),
        ("{label: x, recipe: base.yaml, together: stew}", "'soup' or 'ensemble'"),
    ],
)
def test_a_row_that_says_half_is_refused(paper: Path, row: str, message: str) -> None:
    paper.write_text(paper.read_text().rstrip("\n") + f"\n      odd: {row}\n")
    with pytest.raises(UserError, match=message):
        load_paper(str(paper))


def test_no_row_is_compared_with_a_soup(paper: Path) -> None:
    paper.write_text(paper.read_text().rstrip("\n") + TOGETHER)
    paper.write_text(paper.read_text().replace("baseline: base", "baseline: mixed"))
    with pytest.raises(UserError, match="baseline 'mixed' is made of other rows' runs"):
        load_paper(str(paper))
