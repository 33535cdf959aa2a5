"""Sweeps over a grid: what the folder holds, what goes wrong, what a second process does."""

from __future__ import annotations

import csv
import json
import statistics
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from minbert.display.columns import cells
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files.locks import try_lock
from minbert.recipe.recipe import load_recipe
from minbert.sweeping.plan import Source
from minbert.sweeping.results import Results, columns, remarks
from minbert.sweeping.sweep import run_sweep

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")
SETTINGS = ["training.epochs=1"]
RATES = "optimizer.learning_rate=1e-2,1e-3"


def sweep(recipe: Path, out: Path, display: Display, resume: bool = False, **options: Any) -> Results:
    return run_sweep(str(recipe), {}, SETTINGS, out, resume, display, **options)


def metrics_of(folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


def test_results_say_what_the_runs_say(two_tasks_file: Path, tmp_path: Path, quiet: Display) -> None:
    out = tmp_path / "sweep"
    results = sweep(two_tasks_file, out, quiet, grid=[RATES], seeds="2")
    names = [f"learning_rate={rate},seed={seed}" for rate in ("0.01", "0.001") for seed in (11711, 11712)]
    dev = {name: metrics_of(out / name)["dev"] for name in names}

    lines = list(csv.DictReader((out / "sweep.csv").read_text().splitlines()))
    assert [line["run"] for line in lines] == names
    for line in lines:
        metrics = metrics_of(out / line["run"])
        assert float(line["mood.accuracy"]) == metrics["dev"]["mood"]["accuracy"]
        assert float(line["close.pearson"]) == metrics["dev"]["close"]["pearson"]
        assert float(line["overall"]) == metrics["dev"]["overall"]
        assert float(line["train_seconds"]) == metrics["train_seconds"]
        assert (int(line["steps"]), int(line["seed"])) == (metrics["steps"], metrics["seed"])
        assert f"learning_rate={float(line['optimizer.learning_rate']):g}," in line["run"]
        assert line["state"] == "finished"

    said = json.loads((out / "sweep.json").read_text())
    assert [run["dev"] for run in said["runs"]] == list(dev.values())
    overall = [[dev[name]["overall"] for name in names[start : start + 2]] for start in (0, 2)]
    for row, scores, got in zip(results.rows, overall, said["configurations"], strict=True):
        mean, sd = statistics.mean(scores), statistics.stdev(scores)
        assert got["scores"]["overall"] == {"mean": pytest.approx(mean), "sd": pytest.approx(sd), "n": 2}
        spread = row.spread("overall")
        assert spread is not None
        assert str(spread) == f"{mean:.3f} ± {sd:.3f}"
    difference = statistics.mean(overall[0]) - statistics.mean(overall[1])  # the recipe's own rate is the second
    assert said["base"] == "learning_rate=0.001"
    assert said["configurations"][0]["difference"] == pytest.approx(difference)
    assert said["configurations"][1]["difference"] is None
    assert said["keys"] == {"optimizer.learning_rate": 1e-3}
    best = "learning_rate=0.01" if difference >= 0 else "learning_rate=0.001"
    assert said["best"] == best

    shown = columns(results, results.rows)
    header, rows = [column.heading for column in shown], [cells(shown, row) for row in results.rows]
    assert header[:3] == ["", "learning_rate", "n"]
    assert rows[0][header.index("difference")] == f"{difference:+.3f}"
    assert "base" in rows[1][0]
    assert " | ".join(rows[0]) in (out / "sweep.md").read_text()
    assert any("too good" in remark for remark in remarks(results))

    recipe = load_recipe(str(out / "best.yaml"))
    assert recipe == load_recipe(
        str(two_tasks_file), {}, ["training.epochs=1", best.replace("learn", "optimizer.learn")]
    )
    kept = {path.parent.name for path in out.glob("*/model.safetensors")}
    assert kept == {name for name in names if name.startswith(f"{best},")}
    assert not list(out.glob("*/checkpoints"))


def test_a_failed_run_is_told_and_the_others_train(two_tasks_file: Path, tmp_path: Path, quiet: Display) -> None:
    out = tmp_path / "sweep"
    grid = ["optimizer.learning_rate=1e-3,1e30,1e-4", "optimizer.max_gradient_norm=null"]
    results = sweep(two_tasks_file, out, quiet, grid=grid)
    assert [row.state for row in results.rows] == ["", "failed", ""]
    assert results.count("failed") == 1
    failed = results.rows[1]
    assert failed.spread("overall") is None
    assert results.best is not failed
    said = json.loads((out / "sweep.json").read_text())
    assert "training stopped" in said["runs"][1]["message"]
    assert said["configurations"][1]["scores"]["overall"] is None
    assert "training stopped" in (out / "sweep.md").read_text()
    # Finished runs stay as they are; the failed one is tried once more.
    before = {path: path.read_bytes() for path in (out / "records").iterdir()}
    sweep(two_tasks_file, out, quiet, resume=True, grid=grid)
    after = {path: path.read_bytes() for path in (out / "records").iterdir()}
    assert [path.name for path in before if before[path] != after[path]] == [
        "learning_rate=1e-30,max_gradient_norm=null.json".replace("e-30", "e+30")
    ]


def test_models_are_kept_as_asked(two_tasks_file: Path, tmp_path: Path, quiet: Display) -> None:
    for keep, count in (("all", 2), ("none", 0)):
        out = tmp_path / keep
        sweep(two_tasks_file, out, quiet, grid=[RATES], keep=keep)
        assert len(list(out.glob("*/model.safetensors"))) == count
        assert len(list(out.glob("*/metrics.json"))) == 2
        assert bool(list(out.glob("*/checkpoints"))) == (keep == "all")


def test_a_grid_can_grow_and_finished_runs_stay(two_tasks_file: Path, tmp_path: Path, quiet: Display) -> None:
    out = tmp_path / "sweep"
    sweep(two_tasks_file, out, quiet, grid=[RATES])
    before = {path: path.read_bytes() for path in out.glob("*/metrics.json")}
    with pytest.raises(UserError, match="add --resume"):
        sweep(two_tasks_file, out, quiet, grid=[RATES])
    results = sweep(two_tasks_file, out, quiet, resume=True, grid=[f"{RATES},1e-4"])
    assert [row.complete for row in results.rows] == [True] * 3
    assert len(before) == 2
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(list(out.glob("*/model.safetensors"))) == 1


def test_a_process_waits_for_runs_of_others_and_takes_over_what_they_leave(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, meanwhile = tmp_path / "sweep", []
    with ExitStack() as other:
        assert other.enter_context(try_lock(out, "learning_rate=0.01"))

        def other_ends(seconds: float) -> None:  # noqa: ARG001
            meanwhile.append(json.loads((out / "sweep.json").read_text()))
            other.close()

        monkeypatch.setattr("minbert.sweeping.grid.time.sleep", other_ends)
        results = sweep(two_tasks_file, out, quiet, grid=[RATES])
    assert [one["state"] for one in meanwhile[0]["configurations"]] == ["unfinished", "finished"]
    assert [row.state for row in results.rows] == ["", ""]


def test_before_all_runs_have_ended_the_best_is_the_best_so_far(
    two_tasks_file: Path, tmp_path: Path, quiet: Display
) -> None:
    results = sweep(two_tasks_file, tmp_path / "sweep", quiet, grid=[RATES])
    [best] = [cells(columns(results, results.rows), row)[0] for row in results.rows if row is results.best]
    assert best.startswith("best") and "so far" not in best
    left_open = [row if row is results.best else replace(row, records=[]) for row in results.rows]
    partly = replace(results, rows=left_open)
    assert partly.unfinished == 1
    assert partly.best is results.best
    assert cells(columns(partly, partly.rows), left_open[left_open.index(results.best)])[0].startswith("best so far")
    assert any("1 of the runs is unfinished" in remark for remark in remarks(partly))


def test_no_run_begins_after_the_time(two_tasks_file: Path, tmp_path: Path, quiet: Display) -> None:
    results = sweep(two_tasks_file, tmp_path / "sweep", quiet, grid=[RATES], seconds=1e-9)
    assert [row.state for row in results.rows] == ["unfinished"] * 2
    assert results.best is None


def test_seeds_alone_tell_the_spread_of_one_recipe(two_tasks_file: Path, tmp_path: Path, quiet: Display) -> None:
    results = sweep(two_tasks_file, tmp_path / "sweep", quiet, seeds="7,8")
    assert [run.name for run in results.rows[0].runs] == ["base,seed=7", "base,seed=8"]
    assert results.base is results.best is results.rows[0]


def test_another_folder_is_left_alone(two_tasks_file: Path, tmp_path: Path, quiet: Display) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(UserError, match="no sweep of minbert's"):
            sweep(two_tasks_file, mine, quiet, resume=resume, grid=[RATES])
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]
    with pytest.raises(UserError, match="is a file"):
        sweep(two_tasks_file, mine / "notes.txt", quiet, grid=[RATES])
    out = tmp_path / "sweep"
    sweep(two_tasks_file, out, quiet, grid=[RATES], seconds=1e-9)
    with pytest.raises(UserError, match="another recipe"):
        run_sweep(str(two_tasks_file), {}, ["training.epochs=2"], out, True, quiet, grid=[RATES])


def test_one_task_selected_by_overall_is_compared_by_its_metric(two_tasks_file: Path) -> None:
    from minbert.sweeping.records import score_name

    recipe = Source(str(two_tasks_file), {}, []).recipe
    assert score_name(recipe) == "overall"
    alone = recipe.model_copy(update={"tasks": {"close": recipe.tasks["close"]}})
    assert score_name(alone) == "close.pearson"
    for select, name in (("mood", "mood.accuracy"), ("mood.macro_f1", "mood.macro_f1")):
        training = recipe.training.model_copy(update={"select": select})
        assert score_name(recipe.model_copy(update={"training": training})) == name


def test_a_sweep_of_other_data_or_another_recipe_is_not_gone_on_with(
    two_tasks_file: Path, tmp_path: Path, quiet: Display
) -> None:
    out = tmp_path / "sweep"
    sweep(two_tasks_file, out, quiet, grid=[RATES], seconds=0)
    sweep(two_tasks_file, out, quiet, resume=True, grid=[RATES], seconds=0)
    with pytest.raises(UserError, match=r"recipe\.training\.epochs is 1 there and 2 here"):
        run_sweep(str(two_tasks_file), {}, ["training.epochs=2"], out, True, quiet, grid=[RATES])
    with (tmp_path / "data/mood-dev.tsv").open("a") as file:
        file.write("m11\tgood\t1\n")
    with pytest.raises(UserError, match=r"began with other contents of tasks\.mood\.files\.dev "):
        sweep(two_tasks_file, out, quiet, resume=True, grid=[RATES])


@pytest.mark.parametrize("killed_at", ["minbert.sweeping.folder.RunInputs.write", "minbert.sweeping.folder.write_text"])
def test_a_sweep_killed_when_it_began_still_keeps_what_it_reads(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(killed_at, kill)
        sweep(two_tasks_file, tmp_path / "sweep", quiet, grid=[RATES], seconds=0)
    sweep(two_tasks_file, tmp_path / "sweep", quiet, resume=True, grid=[RATES], seconds=0)
    assert (tmp_path / "sweep/inputs.json").is_file()
