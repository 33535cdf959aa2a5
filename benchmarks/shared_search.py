"""A search whose processes are killed and stopped: is every trial finished exactly once?

    python benchmarks/shared_search.py --out search --trials 40 --kills 20 --stops 8
    python benchmarks/shared_search.py --out search --storage postgresql+psycopg://... --trials 40 --kills 20

Four processes in two containers search together: those of a container share its locks, the containers share nothing but
the folder and the study's database. Trials train nothing; each takes some seconds, evaluates five times, and writes a
file each time. At random moments, spread over the search, a process that is in the middle of a trial is killed, and
another begins in its place. Or it is stopped for longer than its lease lasts, and then goes on. An accident counts if
the study still has the trial as running afterwards. Leases are short here, so that an hour of accidents takes some
minutes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RENEWED_EVERY, EXPIRES_AFTER = 1, 3
EVALUATIONS = 5
SPACE = "optimizer.learning_rate=1e-5..1e-1:log"


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    trials: int
    finished: int
    """Trials that ended once and for good."""
    finished_twice: int
    """Trials of which more than one attempt did."""
    attempts: int
    taken_over: int
    killed: int
    """Processes that were killed while the study had a trial of theirs as running."""
    stopped: int
    """Processes that were stopped for longer than their lease lasted, in the midst of a trial."""
    late_writes: int
    """Files that an attempt wrote after another process had taken the trial over."""
    seconds: float


def _work(out: Path, storage: str | None, container: str, trials: int, log: Path, seconds: float) -> None:
    """Search as one process of a container."""
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.files import locks, write_json
    from minbert.sweeping import lease, study
    from minbert.sweeping.folder import SweepFolder
    from minbert.sweeping.records import finished
    from minbert.sweeping.sweep import run_sweep

    study.EXPIRES_AFTER, study.RENEWED_EVERY, lease.RENEWED_EVERY = EXPIRES_AFTER, RENEWED_EVERY, RENEWED_EVERY
    named = locks._named
    locks._named = lambda folder, name: named(folder, f"{container}-{name}")

    def train(folder: SweepFolder, run: Any, display: Display, on_evaluation: Any = None) -> Any:  # noqa: ARG001
        _write(log, {"begins": run.name})
        for evaluation in range(1, EVALUATIONS + 1):
            time.sleep(seconds / EVALUATIONS)
            begun = time.time()
            write_json(folder.path / run.name / f"{evaluation}.json", {"pid": os.getpid()})
            _write(log, {"wrote": run.name, "begun": begun})
            if evaluation < EVALUATIONS:
                on_evaluation(evaluation, 0.5)
        score = run.recipe.optimizer.learning_rate
        tasks = {name: {task.metric: score} for name, task in run.recipe.tasks.items()}
        dev = {**tasks, "overall": score}
        return finished(run, {"dev": dev, "best_step": 1, "steps": EVALUATIONS, "train_seconds": seconds})

    SweepFolder.train = train  # type: ignore[method-assign]
    display = Display(terminal(quiet=True))
    run_sweep("quickstart", {}, [], out, True, display, search=[SPACE], trials=trials, storage=storage, prune=False)


class _Team:
    """The processes, and which attempts at trials they are in the middle of."""

    def __init__(self, out: Path, storage: str | None, trials: int, logs: Path, seconds: float) -> None:
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["minbert.sweeping.search", "minbert.sweeping.sweep", "optuna"])
        self._given = (out, storage)
        self._trials, self._logs, self._seconds = trials, logs, seconds
        self._study: Any = None
        self._log_of: dict[Any, Path] = {}
        self.members: list[Any] = []

    def begin(self, number: int) -> Any:
        """Start a process of the container that the number is of."""
        log = self._logs / f"{time.time_ns()}.jsonl"
        container = f"container-{number % 2}"
        process = self._processes.Process(
            target=_work, args=(*self._given, container, self._trials, log, self._seconds)
        )
        process.start()
        self._log_of[process] = log
        return process

    def at_work(self) -> dict[Any, str]:
        """Return the processes that are in the middle of a trial by what the study says, each with its attempt."""
        begun = {process: self._last_begun(process) for process in self.members if process.is_alive()}
        running = self.attempts("RUNNING")
        return {process: name for process, name in begun.items() if name in running}

    def attempts(self, state: str) -> set[str]:
        """Return the names of the trials' latest attempts that the study has in a state."""
        import optuna

        from minbert.sweeping.lease import latest_attempts

        if self._study is None:
            out, storage = self._given
            with suppress(Exception):  # the processes have not made it yet
                url = storage or f"sqlite:///{(out / 'study.db').resolve(strict=True)}"
                self._study = optuna.load_study(study_name=out.name, storage=url)
        if self._study is None:
            return set()
        return {one.name for one in latest_attempts(self._study) if one.trial.state.name == state}

    def _last_begun(self, process: Any) -> str | None:
        log = self._log_of[process]
        lines = _read(log) if log.exists() else []
        return next((line["begins"] for line in reversed(lines) if "begins" in line), None)


def run(
    out: Path,
    storage: str | None,
    *,
    workers: int,
    trials: int,
    kills: int,
    stops: int,
    seed: int,
    seconds: float = 0.5,
) -> Outcome:
    """Search in ``out`` with so many processes and accidents; return what came of it."""
    chance, begun = random.Random(seed), time.time()
    logs = out.with_name(f"{out.name}-logs")
    logs.mkdir(parents=True)
    team = _Team(out, storage, trials, logs, seconds)
    team.members = [team.begin(number) for number in range(workers)]
    killed = stopped = 0
    asleep: list[tuple[float, Any]] = []
    while any(process.is_alive() for process in team.members):
        time.sleep(chance.uniform(0.1, 0.5))
        for due, process in asleep.copy():
            if time.time() > due:
                _send(process, signal.SIGCONT)
                asleep.remove((due, process))
        stopped_now = [process for _, process in asleep]
        at_work = {one: name for one, name in team.at_work().items() if one not in stopped_now}
        due = (kills + stops) * (len(team.attempts("COMPLETE")) + 1) / trials
        if not at_work or killed + stopped >= due:
            continue
        process, attempt = chance.choice(list(at_work.items()))
        left = kills - killed, stops - stopped
        if chance.random() * sum(left) < left[0]:
            _send(process, signal.SIGKILL)
            process.join()
            killed += attempt in team.attempts("RUNNING")
            team.members[team.members.index(process)] = team.begin(team.members.index(process))
        elif len(asleep) + 1 < workers:
            _send(process, signal.SIGSTOP)
            stopped += attempt in team.attempts("RUNNING")
            asleep.append((time.time() + EXPIRES_AFTER + 2, process))
    for process in team.members:
        process.join()
        assert process.exitcode == 0, f"a process ended with {process.exitcode}"
    return _told(out, storage, trials, logs, killed, stopped, time.time() - begun)


def _write(log: Path, line: dict[str, Any]) -> None:
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _read(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a process's log; one that a kill has cut is none."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]


def _send(process: Any, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _told(
    out: Path, storage: str | None, trials: int, logs: Path, killed: int, stopped: int, seconds: float
) -> Outcome:
    import optuna

    from minbert.sweeping.lease import latest_attempts

    study = optuna.load_study(study_name=out.name, storage=storage or f"sqlite:///{out / 'study.db'}")
    latest = latest_attempts(study)[:trials]
    ended = Counter(
        trial.system_attrs.get("failed_trial", trial.number)
        for trial in study.trials
        if trial.state.name in ("COMPLETE", "PRUNED")
    )
    late = 0
    for log in logs.iterdir():
        for line in _read(log):
            if "wrote" in line:
                left = out / line["wrote"]
                late += left.is_file() and line["begun"] > left.stat().st_mtime
    late += sum((out / attempt.name_of(number)).is_dir() for attempt in latest for number in range(1, attempt.number))
    records = {path.stem for path in (out / "records").iterdir()}
    return Outcome(
        trials=trials,
        finished=sum(attempt.trial.state.name == "COMPLETE" and attempt.name in records for attempt in latest),
        finished_twice=sum(count > 1 for count in ended.values()),
        attempts=sum(trial.state.is_finished() for trial in study.trials),
        taken_over=sum(attempt.number > 1 for attempt in latest),
        killed=killed,
        stopped=stopped,
        late_writes=late,
        seconds=round(seconds, 1),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--storage")
    for name, default in (("workers", 4), ("trials", 40), ("kills", 20), ("stops", 8), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=2.0)
    print(json.dumps(asdict(run(**vars(parser.parse_args()))), indent=2))
