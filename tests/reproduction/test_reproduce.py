"""Re-running tables: which runs there are, what is kept, what the tables say."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from minbert.errors import UserError
from minbert.reproduction import runs as runs_module
from minbert.reproduction.tables import grids, markdown
from minbert.training.stepper import NotFiniteError


def metrics_of(tmp_path: Path, system: str, seed: int = 11711) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "out" / system / f"seed-{seed}" / "metrics.json").read_text())
    return found


def test_scores_are_those_of_the_runs(run: Any, tmp_path: Path) -> None:
    results = run(seeds="2")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "base",
        "cosine",
        "mood-alone",
        "results.json",
        "tables.md",
    }
    assert results == json.loads((tmp_path / "out" / "results.json").read_text())
    rows = results["tables"]["main"]["rows"]
    assert list(rows) == ["base", "cosine"] and results["runs"] == results["finished"] == 6
    for system in ("base", "cosine"):
        dev = [metrics_of(tmp_path, system, seed)["dev"] for seed in (11711, 11712)]
        assert rows[system]["ours"] == {
            "all": [one["overall"] for one in dev],
            "mood": [one["mood"]["accuracy"] for one in dev],
            "F1": [one["mood"]["macro_f1"] for one in dev],
        }
    assert len(results["single_task"]["mood"]) == 2


def test_the_table_sets_figures_side_by_side(run: Any) -> None:
    results = run(seeds="3,4")
    grid, to_alone = grids(results)
    assert grid.header == [
        "system",
        "all, paper",
        "all, ours",
        "mood, paper",
        "mood, ours",
        "F1, paper",
        "F1, ours",
        "seconds",
    ]
    base, cosine, alone = grid.rows
    ours = {name: results["tables"]["main"]["rows"][name]["ours"]["all"] for name in ("base", "cosine")}
    means = {name: statistics.fmean(scores) for name, scores in ours.items()}
    assert base[1] == "0.400" and base[2] == f"{means['base']:.3f} ± {statistics.stdev(ours['base']):.3f}"
    assert cosine[1] == "0.450 (+0.050)" and cosine[3] == ""  # no published figure, no difference
    assert cosine[2].endswith(f" ({means['cosine'] - means['base']:+.3f})")
    assert alone[0] == "each task alone" and alone[2] == "" and alone[4] != ""
    text = markdown(results)
    assert "Differences are to 'the | baseline'." in text
    assert "Read with care." in text and "2 seeds" in text and "A large encoder." in text
    assert {line.count(" | ") for line in text.splitlines() if line.startswith("| ")} == {7, 1}
    assert to_alone.header == ["system", "mood"]
    alone_mean = statistics.fmean(results["single_task"]["mood"])
    mood = results["tables"]["main"]["rows"]["cosine"]["ours"]["mood"]
    assert to_alone.rows[1][1].startswith(f"{statistics.fmean(mood) - alone_mean:+.3f}")


def test_a_table_without_published_figures_has_a_column_a_score(run: Any, paper: Path) -> None:
    paper.write_text(
        """
title: Ours
single_task: {mood: mood-alone.yaml}
tables:
  main: {caption: Mine, columns: {all: overall, mood: mood}, baseline: base,
    rows: {base: {label: b, recipe: base.yaml}}}
"""
    )
    results = run()
    grid = grids(results)[0]
    assert grid.header == ["system", "all", "mood", "seconds"] and grid.note == ""
    ours = results["tables"]["main"]["rows"]["base"]["ours"]
    assert grid.rows[0][:3] == ["b", f"{ours['all'][0]:.3f}", f"{ours['mood'][0]:.3f}"]
    assert grid.rows[1] == ["each task alone", "", f"{results['single_task']['mood'][0]:.3f}", ""]
    assert "The paper" not in markdown(results)


def test_finished_runs_are_kept_and_only_what_is_missing_is_run(run: Any, tmp_path: Path) -> None:
    run(rows=["base"])
    before = (tmp_path / "out" / "base" / "seed-11711" / "metrics.json").stat().st_mtime_ns
    assert not (tmp_path / "out" / "cosine").exists()
    results = run(rows=["cosine"])
    assert (tmp_path / "out" / "base" / "seed-11711" / "metrics.json").stat().st_mtime_ns == before
    assert list(results["tables"]["main"]["rows"]) == ["base", "cosine"]  # its baseline comes with a row
    with pytest.raises(UserError, match="holds a run of another recipe"):
        run(rows=["base"], settings=["training.epochs=2"])


def test_a_row_that_was_only_tried_runs_when_asked_for(run: Any) -> None:
    results = run(rows=["tried"])
    assert list(results["tables"]["main"]["rows"]) == ["base", "tried"]
    assert set(results["tables"]["main"]["rows"]["tried"]["ours"]) == {"mood"}
    row = grids(results)[0].rows[1]
    assert row[2] == "" and row[4] != "" and row[6] == ""  # only the column it has a recipe for


def test_weights_go_unless_they_are_kept(run: Any, tmp_path: Path) -> None:
    run(rows=["base"])
    folder = tmp_path / "out" / "base" / "seed-11711"
    assert not (folder / "model.safetensors").exists() and not (folder / "checkpoints").exists()
    assert (folder / "history.jsonl").is_file() and (folder / "predictions").is_dir()
    run(rows=["cosine"], keep_models=True)
    assert (tmp_path / "out" / "cosine" / "seed-11711" / "model.safetensors").is_file()


@pytest.mark.parametrize("keep_models", [False, True])
def test_what_is_not_kept_goes_though_a_call_is_cut_short_before_it(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_models: bool
) -> None:
    def cut(path: Path) -> None:
        raise KeyboardInterrupt(path)

    with monkeypatch.context() as patch:
        patch.setattr("minbert.run_folder.folder.remove", cut)
        with pytest.raises(KeyboardInterrupt):
            run(rows=["base"], keep_models=keep_models)
    folder = tmp_path / "out" / "base" / "seed-11711"
    assert (folder / "metrics.json").is_file() and (folder / "checkpoints").is_dir()
    run(rows=["base"], keep_models=keep_models)
    assert not (folder / "checkpoints").exists()
    assert (folder / "model.safetensors").is_file() == keep_models
    run(rows=["base"])
    assert (folder / "model.safetensors").is_file() == keep_models, "kept models stay in a call that keeps no others"


def test_a_run_whose_numbers_are_not_finite_is_a_finding_not_the_end(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = runs_module.train_recipe

    def diverging(recipe: Any, folder: Path, **more: Any) -> Any:
        if recipe.tasks["close"].head.name != "cosine":
            return train(recipe, folder, **more)
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text(recipe.to_yaml())
        raise NotFiniteError("step 3: the loss of task 'close' is inf")

    monkeypatch.setattr(runs_module, "train_recipe", diverging)
    for _ in range(2):  # and it stays one when the command runs again
        results = run()
        assert results["tables"]["main"]["rows"]["cosine"]["failures"] == ["step 3: the loss of task 'close' is inf"]
        assert grids(results)[0].rows[1][2] == "failed" and grids(results)[0].rows[0][2] != "failed"
        assert "the loss of task 'close' is inf" in (tmp_path / "out" / "tables.md").read_text()


def test_everything_is_checked_before_anything_runs(run: Any, paper: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"row 'cosin': is not in the paper \(did you mean 'cosine'\?\)"):
        run(rows=["cosin"])
    (tmp_path / "cosine.yaml").write_text("extends: base.yaml\ntraining: {epoch: 1}\n")
    with pytest.raises(UserError, match="did you mean 'epochs'"):
        run()
    (tmp_path / "cosine.yaml").write_text("extends: base.yaml\n")
    paper.write_text(paper.read_text().replace("F1: mood.macro_f1", "F1: mood.f1"))
    with pytest.raises(UserError, match=r"'mood\.f1' is no score"):
        run()
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_stopped_goes_on(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minbert.training.interrupt import Interrupted

    train = runs_module.train_recipe

    def stopped(recipe: Any, folder: Path, **more: Any) -> Any:
        train(recipe, folder, **more)
        (folder / "metrics.json").unlink()  # as if stopped just before the end
        raise Interrupted

    monkeypatch.setattr(runs_module, "train_recipe", stopped)
    with pytest.raises(Interrupted):
        run(rows=["base"])
    assert (tmp_path / "out" / "base" / "seed-11711" / "checkpoints").is_dir()  # nothing that resuming needs is gone
    monkeypatch.setattr(runs_module, "train_recipe", train)
    assert run(rows=["base"])["finished"] == 2


def of_seeds(ours: Sequence[float], alone: Sequence[float]) -> dict[str, Any]:
    """Return results of one table with a row of two tasks and one of a task alone."""
    rows = {
        name: {
            "label": name,
            "single_task": single,
            "published": {},
            "ours": {"mood": of},
            "seconds": 1,
            "failures": [],
        }
        for name, single, of in (("both", False, ours), ("mood only", True, alone))
    }
    columns = {"all": "overall", "mood": "mood"}
    table = {"caption": "Systems", "columns": columns, "baseline": "both", "rows": rows}
    return {"single_task": {"mood": alone}, "tables": {"main": table}}


def test_differences_to_the_task_alone_are_told_and_negative_transfer_is_marked() -> None:
    marked = grids(of_seeds([0.59, 0.6, 0.61], [0.69, 0.7, 0.71]))[1]
    assert marked.header == ["system", "mood"]
    half = 2.7764451 * 0.01 * (2 / 3) ** 0.5
    assert marked.rows == [["both", f"-0.100 ({-0.1 - half:+.3f} to {-0.1 + half:+.3f}), negative transfer"]]
    errors = of_seeds([0.59, 0.6, 0.61], [0.69, 0.7, 0.71])
    errors["tables"]["main"]["less_is_better"] = ["mood"]
    assert grids(errors)[1].header == ["system", "mood (less is better)"]
    assert "negative" not in grids(errors)[1].rows[0][1]
    errors = of_seeds([0.69, 0.7, 0.71], [0.59, 0.6, 0.61])
    errors["tables"]["main"]["less_is_better"] = ["mood"]
    assert grids(errors)[1].rows[0][1].endswith(", negative transfer")
    open_ = grids(of_seeds([0.5, 0.6, 0.7], [0.6, 0.7, 0.8]))[1]
    assert "negative" not in open_.rows[0][1]
    assert "Welch" in open_.note


def test_one_seed_marks_no_negative_transfer() -> None:
    once = grids(of_seeds([0.4], [0.7]))[1]
    assert once.rows == [["both", "-0.300"]]
    assert "shows nothing" in once.note


def test_a_table_is_not_gone_on_with_on_other_data(run: Any, two_tasks: dict[str, Any], tmp_path: Path) -> None:
    run(rows=["base"])
    with (Path(two_tasks["data"]) / "mood-dev.tsv").open("a") as file:
        file.write("m11\tgood\t1\n")
    before = metrics_of(tmp_path, "base")
    with pytest.raises(UserError, match=r"began with other contents of tasks\.mood\.files\.dev "):
        run(rows=["base"])
    assert metrics_of(tmp_path, "base") == before
