"""Who has a trial: leases that end, attempts that are fenced off, and what a process can still do without its lease."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest

import shared_search
from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.running.run import train_recipe
from minbert.sweeping import folder as sweep_folder
from minbert.sweeping import search as searching
from minbert.sweeping.folder import SweepFolder
from minbert.sweeping.lease import Lease, latest_attempts
from minbert.sweeping.plan import Run
from minbert.sweeping.records import Record, finished
from minbert.sweeping.sweep import run_sweep

pytestmark = pytest.mark.filterwarnings("ignore::minbert.tasks.metrics.ConstantPredictions")
SPACE = ["optimizer.learning_rate=1e-5..1e-1:log"]


@pytest.fixture(autouse=True)
def _no_common_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of several machines: each has the lock, as a file system that locks nothing says."""

    @contextmanager
    def ours(folder: Path, name: str) -> Iterator[None]:  # noqa: ARG001
        yield

    monkeypatch.setattr(sweep_folder, "wait_for_lock", ours)
    monkeypatch.setattr(searching, "LOOKS_AGAIN", 0.01)


def search(recipe: Path, out: Path, display: Display, trials: int) -> Any:
    return run_sweep(
        str(recipe), {}, ["training.epochs=1"], out, True, display, search=SPACE, trials=trials, keep="all"
    )


def study_of(out: Path) -> optuna.Study:
    return optuna.load_study(study_name=out.name, storage=f"sqlite:///{out / 'study.db'}")


def let_leases_expire(out: Path) -> None:
    """Do what the database's clock does while no process gives a sign of life."""
    with sqlite3.connect(out / "study.db", timeout=60) as database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "study.db" and ".locks" not in path.parts
    }


def ended_once(out: Path, trials: int) -> list[str]:
    """Assert that each of so many trials has ended once and for good; return the names of their attempts."""
    study = study_of(out)
    attempts = latest_attempts(study)[:trials]
    assert len(attempts) == trials
    assert all(attempt.trial.state.is_finished() and not attempt.is_lost for attempt in attempts)
    origins = [trial.system_attrs.get("failed_trial", trial.number) for trial in study.trials
               if trial.state.name in ("COMPLETE", "PRUNED")]  # fmt: skip
    assert set(Counter(origins).values()) <= {1}
    said = json.loads((out / "sweep.json").read_text())
    assert [run["name"] for run in said["runs"]] == [attempt.name for attempt in attempts]
    assert {path.stem for path in (out / "records").iterdir()} == {attempt.name for attempt in attempts}
    return [attempt.name for attempt in attempts]


def test_a_process_without_its_lease_writes_nothing(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process loses its lease while it trains; a second one does all the work; then the first goes on."""
    out, real, left = tmp_path / "search", SweepFolder.train, {}

    def train(folder: SweepFolder, run: Run, display: Display, on_evaluation: Any = None) -> Record:
        if left:
            return real(folder, run, display, on_evaluation)

        def meanwhile(evaluation: int, score: float) -> None:
            if not left:
                let_leases_expire(out)
                left["first"] = contents(out)
                search(two_tasks_file, out, quiet, 3)
                left["second"] = contents(out)
            on_evaluation(evaluation, score)

        return real(folder, run, display, meanwhile)

    monkeypatch.setattr(SweepFolder, "train", train)
    results = search(two_tasks_file, out, quiet, 3)
    assert ended_once(out, 3) == ["trial-0000-attempt-2", "trial-0001", "trial-0002"]
    assert contents(out) == left["second"]
    assert any(name.startswith("trial-0000/checkpoints/last-") for name in left["first"])
    assert "as trial-0000-attempt-2" in (out / "trial-0000").read_text()
    assert [record.state for row in results.rows for record in row.records] == ["finished"] * 3
    # The second attempt went on from the first one's checkpoint to the same end.
    run = results.rows[0].runs[0]
    train_recipe(run.recipe, tmp_path / "whole", False, quiet)
    models = [path / "model.safetensors" for path in (out / run.name, tmp_path / "whole")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_what_a_fenced_process_would_write_finds_no_place(tmp_path: Path, two_tasks_file: Path) -> None:
    from minbert.files import write_text
    from minbert.sweeping.plan import Source

    folder = SweepFolder(tmp_path, Source(str(two_tasks_file), {}, []).recipe, [], "all")
    write_text(tmp_path / "trial-0000/history.jsonl", "{}\n")
    folder.take_over(["trial-0000"], "trial-0000-attempt-2")
    assert (tmp_path / "trial-0000-attempt-2/history.jsonl").read_text() == "{}\n"
    for path in ("history.jsonl", "checkpoints/last-3.safetensors"):
        with pytest.raises(UserError, match="cannot be written"):
            write_text(tmp_path / "trial-0000" / path, "late")
    folder.take_over(["trial-0001-attempt-2", "trial-0001"], "trial-0001-attempt-3")  # none of them wrote anything
    with pytest.raises(UserError, match="cannot be written"):
        write_text(tmp_path / "trial-0001/recipe.yaml", "late")
    assert not (tmp_path / "trial-0001-attempt-3").exists()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs end at once; returns the names of those trained."""
    trained: list[str] = []

    def train(folder: SweepFolder, run: Run, _: Display, on_evaluation: Any = None) -> Record:  # noqa: ARG001
        trained.append(run.name)
        score = run.recipe.optimizer.learning_rate
        dev = {"mood": {"accuracy": score}, "close": {"pearson": score}, "overall": score}
        metrics = {"dev": dev, "best_step": 1, "steps": 1, "train_seconds": 0.0}
        return finished(run, metrics)

    monkeypatch.setattr(SweepFolder, "train", train)
    return trained


def test_processes_killed_anywhere_lose_no_trial(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch, at_once: list[str]
) -> None:
    """After every call that changes the study or the folder in turn, a process is gone without another word."""

    class Killed(BaseException):
        pass

    places = [
        (Lease, "claim"), (Lease, "note"), (Lease, "finish"), (SweepFolder, "train"), (SweepFolder, "keep_record"),
        (searching, "add_waiting"), (searching, "renew_lost"), (searching, "fail_stale"),
    ]  # fmt: skip
    for number, (owner, name) in enumerate(places):
        out = tmp_path / f"{number}"
        for moment in ("before", "after"):
            with monkeypatch.context() as patch:
                call = getattr(owner, name)

                def killed(*words: Any, call: Any = call, moment: str = moment) -> Any:
                    if moment == "after":
                        call(*words)
                    raise Killed

                patch.setattr(owner, name, killed)
                patch.setattr(Lease, "give_back", lambda _: None)  # the dead give nothing back
                with pytest.raises(Killed):
                    search(two_tasks_file, out, quiet, 1)
            let_leases_expire(out)
        search(two_tasks_file, out, quiet, 1)
        ended_once(out, 1)
    assert len(at_once) >= len(places)


@pytest.mark.usefixtures("at_once")
def test_two_copies_of_a_lost_attempt_are_one(two_tasks_file: Path, tmp_path: Path, quiet: Display) -> None:
    """Two processes may find the same attempt lost, and copy it both."""
    out = tmp_path / "search"
    search(two_tasks_file, out, quiet, 1)
    study = study_of(out)
    lost = optuna.create_trial(state=optuna.trial.TrialState.FAIL)
    study.add_trial(lost)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        retry = optuna.storages.RetryHeartbeatStaleTrialCallback()
    for _ in range(2):
        retry(study, study.trials[1])  # a copy each time
    search(two_tasks_file, out, quiet, 2)
    assert ended_once(out, 2) == ["trial-0000", "trial-0001-attempt-2"]
    assert [trial.state.name for trial in study_of(out).trials] == ["COMPLETE", "FAIL", "COMPLETE", "WAITING"]


@pytest.mark.usefixtures("at_once")
def test_a_file_is_not_shared_by_machines(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "search", SweepFolder.train

    def train(folder: SweepFolder, run: Run, *more: Any) -> Record:
        with monkeypatch.context() as patch:
            patch.setattr(searching, "machine_id", lambda: "another")
            with pytest.raises(UserError, match=r"is SQLite, which several machines cannot share.*--storage"):
                search(two_tasks_file, out, quiet, 2)
        return real(folder, run, *more)

    monkeypatch.setattr(SweepFolder, "train", train)
    search(two_tasks_file, out, quiet, 2)
    ended_once(out, 2)


def test_a_lease_is_renewed_while_a_process_is_at_work(
    two_tasks_file: Path, tmp_path: Path, quiet: Display, monkeypatch: pytest.MonkeyPatch, at_once: list[str]
) -> None:
    from minbert.sweeping import lease

    out, real = tmp_path / "search", SweepFolder.train
    monkeypatch.setattr(lease, "RENEWED_EVERY", 0.01)

    def train(folder: SweepFolder, run: Run, *more: Any) -> Record:
        let_leases_expire(out)
        while True:  # until the thread has renewed it
            with sqlite3.connect(out / "study.db", timeout=60) as database:
                ((fresh,),) = database.execute(
                    "SELECT max(heartbeat) > datetime('now', '-1 minute') FROM trial_heartbeats"
                )
            if fresh:
                return real(folder, run, *more)

    monkeypatch.setattr(SweepFolder, "train", train)
    search(two_tasks_file, out, quiet, 1)
    assert ended_once(out, 1) == at_once == ["trial-0000"]


def test_a_process_of_four_is_killed(tmp_path: Path) -> None:
    """Real processes in two containers without a common lock; the script does the same on a larger scale."""
    outcome = shared_search.run(tmp_path / "search", None, workers=4, trials=5, kills=1, stops=0, seed=0, seconds=1.5)
    assert outcome.killed == 1
    assert outcome.finished == outcome.trials == 5
    assert outcome.finished_twice == outcome.late_writes == 0
