"""A search whose processes are killed and stopped: is every trial finished exactly once?

    python benchmarks/shared_search.py --out search --trials 40 --kills 20 --stops 8
    python benchmarks/shared_search.py --out search --storage postgresql+psycopg://... --trials 40 --kills 20

Four processes in two containers search together: those of a container share its locks, the containers share nothing but
the folder and the study's database. Trials train nothing; each takes some seconds, evaluates five times, and writes a
file each time. At random moments a process is killed (and another begins in its place), or stopped for longer than its
lease lasts, and then goes on. Leases are short here, so that an hour of accidents takes some minutes.
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
    stopped: int
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
        for evaluation in range(1, EVALUATIONS + 1):
            time.sleep(seconds / EVALUATIONS)
            begun = time.time()
            write_json(folder.path / run.name / f"{evaluation}.json", {"pid": os.getpid()})
            with log.open("a") as file:
                file.write(json.dumps({"attempt": run.name, "begun": begun}) + "\n")
            if evaluation < EVALUATIONS:
                on_evaluation(evaluation, 0.5)
        score = run.recipe.optimizer.learning_rate
        tasks = {name: {task.metric: score} for name, task in run.recipe.tasks.items()}
        dev = {**tasks, "overall": score}
        return finished(run, {"dev": dev, "best_step": 1, "steps": EVALUATIONS, "train_seconds": seconds})

    SweepFolder.train = train  # type: ignore[method-assign]
    display = Display(terminal(quiet=True))
    run_sweep("quickstart", {}, [], out, True, display, search=[SPACE], trials=trials, storage=storage, prune=False)


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
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["minbert.sweeping.search", "minbert.sweeping.sweep", "optuna"])
    chance, begun = random.Random(seed), time.time()
    logs = out.with_name(f"{out.name}-logs")
    logs.mkdir(parents=True)

    written: dict[Any, Path] = {}

    def begin(number: int) -> Any:
        log = logs / f"{time.time_ns()}.jsonl"
        container = f"container-{number % 2}"
        process = processes.Process(target=_work, args=(out, storage, container, trials, log, seconds))
        process.start()
        written[process] = log
        return process

    def at_work(process: Any) -> bool:
        """Return whether it is in the middle of a trial: it has just written a file."""
        log = written[process]
        return process.is_alive() and log.exists() and time.time() - log.stat().st_mtime < seconds / EVALUATIONS

    team = [begin(number) for number in range(workers)]
    killed = stopped = 0
    asleep: list[tuple[float, Any]] = []
    while any(process.is_alive() for process in team):
        time.sleep(chance.uniform(0.1, 0.5))
        for due, process in asleep.copy():
            if time.time() > due:
                _send(process, signal.SIGCONT)
                asleep.remove((due, process))
        awake = [at for at, one in enumerate(team) if one.is_alive() and all(one is not other for _, other in asleep)]
        if not awake or (not (out / "study.db").exists() and storage is None):
            continue
        at = chance.choice(awake)
        if killed < kills and chance.random() < 0.5:
            killed += 1
            _send(team[at], signal.SIGKILL)
            team[at].join()
            team[at] = begin(at)
        elif stopped < stops and len(asleep) + 1 < workers:
            stopped += 1
            _send(team[at], signal.SIGSTOP)
            asleep.append((time.time() + EXPIRES_AFTER + 2, team[at]))
    for process in team:
        process.join()
        assert process.exitcode == 0, f"a process ended with {process.exitcode}"
    return _told(out, storage, trials, logs, killed, stopped, time.time() - begun)


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
        for line in log.read_text().splitlines():
            wrote = json.loads(line)
            left = out / wrote["attempt"]
            late += left.is_file() and wrote["begun"] > left.stat().st_mtime
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
