"""Search: what is drawn, what is pruned, and how processes share a study."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from command_line import minbert, started, wait_for
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.recipe.recipe import load_recipe
from minbert.running.run import train_recipe
from minbert.sweeping.folder import Pruned, SweepFolder
from minbert.sweeping.plan import Run
from minbert.sweeping.records import Record, unfinished
from minbert.sweeping.results import Results
from minbert.sweeping.sweep import run_sweep
from minbert.training.interrupt import Interrupted

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")
SPACE = ["optimizer.learning_rate=1e-5..1e-1:log", "schedule.batch_size=2..16", "optimizer.decay=linear|cosine"]


def search(recipe: Path, out: Path, display: Display, trials: int, resume: bool = False, **options: Any) -> Results:
    return run_sweep(
        str(recipe), {}, ["training.epochs=1"], out, resume, display, search=options.pop("space", SPACE), trials=trials,
        **options,
    )  # fmt: skip


@pytest.fixture
def formula(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs end at once with a score of their learning rate, best at 1e-3; returns the names of those trained."""
    trained: list[str] = []

    def train(folder: SweepFolder, run: Run, _: Display, on_evaluation: Any = None) -> Record:
        trained.append(run.name)
        rate = run.recipe.optimizer.learning_rate
        score = 1 - abs(math.log10(rate) + 3) / 2
        try:
            for evaluation in (1, 2):
                on_evaluation(evaluation, score * evaluation / 3)
        except Pruned as reason:
            record = unfinished(run, "pruned", str(reason), folder.path)
        else:
            dev = {"mood": {"accuracy": score}, "close": {"pearson": score}, "overall": score}
            record = Record(
                name=run.name, changes=dict(run.configuration.changes), seed=run.seed, state="finished", score=score,
                dev=dev, ended=0.0,
            )  # fmt: skip
        return record

    monkeypatch.setattr(SweepFolder, "train", train)
    return trained


def drawn(results: Results) -> list[tuple[dict[str, Any], str]]:
    return [(dict(row.configuration.changes), row.state) for row in results.rows]


def test_the_seed_decides_the_draws_resumed_or_not(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, formula: list[str]
) -> None:
    whole = search(two_tasks_file, tmp_path / "whole", quiet, 12)
    search(two_tasks_file, tmp_path / "parts", quiet, 5)
    search(two_tasks_file, tmp_path / "parts", quiet, 11, resume=True)
    parts = search(two_tasks_file, tmp_path / "parts", quiet, 12, resume=True)
    assert drawn(parts) == drawn(whole)
    assert len(formula) == 24
    assert len({str(changes) for changes, _ in drawn(whole)}) == 12
    other = run_sweep(
        str(two_tasks_file), {"seed": 1}, [], tmp_path / "other", False, quiet, search=SPACE, trials=3, prune=False
    )
    assert drawn(other)[1:] != drawn(whole)[1:3]
    for changes, _ in drawn(whole):
        assert 1e-5 <= changes["optimizer.learning_rate"] <= 1e-1
        assert changes["schedule.batch_size"] in range(2, 17)
        assert changes["optimizer.decay"] in ("linear", "cosine")
    # The recipe's own values come first and are the base row.
    assert drawn(whole)[0][0] == {
        "optimizer.learning_rate": 1e-3,
        "schedule.batch_size": 4,
        "optimizer.decay": "linear",
    }
    assert whole.base is whole.rows[0]
    best = load_recipe(str(tmp_path / "whole/best.yaml"))
    assert best.optimizer.learning_rate == 1e-3


def test_a_bad_trial_is_pruned_and_only_when_asked(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, formula: list[str]
) -> None:
    """Once five trials are complete, whatever is below their median at an evaluation is stopped there."""
    pruning = search(two_tasks_file, tmp_path / "pruning", quiet, 14)
    states = [state for _, state in drawn(pruning)]
    assert states[:5] == [""] * 5
    assert "pruned" in states
    study = optuna.load_study(study_name="pruning", storage=f"sqlite:///{tmp_path / 'pruning/study.db'}")
    for trial in study.trials[5:]:
        value = 1 - abs(math.log10(trial.params["optimizer.learning_rate"]) + 3) / 2
        complete = [t for t in study.trials[: trial.number] if t.state.name == "COMPLETE"]
        median = sorted(t.intermediate_values[1] for t in complete)
        middle = (median[(len(median) - 1) // 2] + median[len(median) // 2]) / 2
        assert (trial.state.name == "PRUNED") == (value / 3 < middle)
    everything = search(two_tasks_file, tmp_path / "everything", quiet, 14, prune=False)
    assert [state for _, state in drawn(everything)] == [""] * 14
    assert len(formula) == 28


def test_the_loop_tells_evaluations_and_can_be_ended_and_resumed(
    two_tasks_file: Path, tmp_path: Path, quiet: Display
) -> None:
    recipe = load_recipe(str(two_tasks_file))  # 12 steps, an evaluation every 3
    told: list[tuple[int, float]] = []
    train_recipe(recipe, tmp_path / "whole", False, quiet, lambda number, score: told.append((number, score)))
    lines = [json.loads(line) for line in (tmp_path / "whole/history.jsonl").read_text().splitlines()]
    overall = [line["dev"]["overall"] for line in lines]
    assert told == [(number, max(overall[: number + 1])) for number in (1, 2, 3)]

    def stop(number: int, score: float) -> None:
        if number == 2:
            raise Pruned(f"{score}")

    with pytest.raises(Pruned):
        train_recipe(recipe, tmp_path / "cut", False, quiet, stop)
    assert len((tmp_path / "cut/history.jsonl").read_text().splitlines()) == 3
    assert not (tmp_path / "cut/metrics.json").exists()
    train_recipe(recipe, tmp_path / "cut", True, quiet)
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("cut", "whole")]
    assert models[0] == models[1]


def test_a_trial_whose_process_was_stopped_is_taken_over_at_once(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch, formula: list[str]
) -> None:
    whole = search(two_tasks_file, tmp_path / "whole", quiet, 4)
    formula.clear()
    real = SweepFolder.train

    def killed(folder: SweepFolder, run: Run, *arguments: Any) -> Record:
        if run.name == "trial-0002":
            raise Interrupted
        return real(folder, run, *arguments)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(SweepFolder, "train", killed)
        search(two_tasks_file, tmp_path / "cut", quiet, 4)
    results = search(two_tasks_file, tmp_path / "cut", quiet, 4, resume=True)
    assert formula == ["trial-0000", "trial-0001", "trial-0002-attempt-2", "trial-0003"]
    assert drawn(results) == drawn(whole)


def test_draws_that_make_no_recipe_fail_and_the_search_goes_on(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, formula: list[str]
) -> None:
    """Each value would do beside the recipe's others, but a cosine of one joined sequence there is not."""
    space = ["tasks.close.pair=bi|cross", "tasks.close.head=linear|cosine"]
    results = search(two_tasks_file, tmp_path / "search", quiet, 10, space=space, prune=False)
    for changes, state in drawn(results):
        impossible = list(changes.values()) == ["cross", "cosine"]
        assert (state == "failed") == impossible
    assert 0 < results.count("failed") < 10
    assert len(formula) == 10 - results.count("failed")
    assert "tasks.close" in (tmp_path / "search/sweep.md").read_text()


def test_two_processes_share_the_trials(two_tasks_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    words = ["sweep", two_tasks_file, "--set", "training.epochs=1", "--search", SPACE[0], "--trials", "6"]
    words += ["--out", out, "--resume"]
    with started(*words) as process:
        wait_for(out / "trial-0000/recipe.yaml")
        ours = minbert(*words)
        assert ours.returncode == 0, ours.stdout + ours.stderr
        result = process.ended()
    assert result.returncode == 0, result.stdout + result.stderr
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{out / 'study.db'}")
    ended = [trial for trial in study.trials if trial.state.is_finished()]  # both may have added the last trial
    assert [trial.number for trial in ended] == list(range(6))
    said = json.loads((out / "sweep.json").read_text())
    assert [run["name"] for run in said["runs"]] == [f"trial-000{number}" for number in range(6)]
    for run, trial in zip(said["runs"], ended, strict=True):
        if run["state"] == "finished":
            metrics = json.loads((out / run["name"] / "metrics.json").read_text())
            assert run["dev"] == metrics["dev"]
            assert trial.value == metrics["dev"]["overall"]
    assert len(list(out.glob("*/model.safetensors"))) == 1


@pytest.mark.usefixtures("formula")
def test_studies_and_databases_that_do_not_fit(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    search(two_tasks_file, tmp_path / "a/one", quiet, 2, storage=url)
    search(two_tasks_file, tmp_path / "a/two", quiet, 2, storage=url)
    with pytest.raises(UserError, match="of another search"):
        search(two_tasks_file, tmp_path / "b/one", quiet, 2, storage=url, space=SPACE[:1])
    with pytest.raises(UserError, match="another search"):
        search(two_tasks_file, tmp_path / "a/one", quiet, 3, resume=True, storage=url, space=SPACE[:1])
    (tmp_path / "text.db").write_text("no database at all, but a text of some length" * 50)
    for bad in (f"sqlite:///{tmp_path / 'text.db'}", "nonsense", "sqlite:////no/such/folder/x.db"):
        with pytest.raises(UserError, match=r"--storage: cannot be opened"):
            search(two_tasks_file, tmp_path / "c", quiet, 2, storage=bad, resume=True)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'minbert\[sweep\]'"):
        search(two_tasks_file, tmp_path / "d", quiet, 2)
