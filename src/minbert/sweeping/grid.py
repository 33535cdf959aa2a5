"""Training every run of a plan, alone or beside other processes that train runs of the same folder."""

from __future__ import annotations

import time
from collections.abc import Sequence

from minbert.display.progress import Display
from minbert.files.locks import try_lock
from minbert.sweeping.folder import LOOKS_AGAIN, SweepFolder
from minbert.sweeping.plan import Configuration, with_seeds
from minbert.sweeping.records import read_record
from minbert.sweeping.results import Results


def train_grid(
    folder: SweepFolder,
    configurations: Sequence[Configuration],
    seeds: Sequence[int] | None,
    seconds: float | None,
    display: Display,
) -> Results:
    """Train what is not yet trained of ``configurations``, each with every seed, and return all results.

    A run that another process is training is left to it. While others are at the last runs, this process waits: what
    is best shows when all have ended, and one of them may be gone before it ends. A run that failed before this call is
    tried once more. No run is begun after ``seconds``.

    Raises:
        Interrupted: the user asked to stop; calling again goes on.
        UserError: files cannot be written.
    """
    started = time.time()
    table = {one.name: (one, with_seeds([one], seeds)) for one in configurations}
    runs = [run for _, its_runs in table.values() for run in its_runs]
    left, waiting = list(enumerate(runs, start=1)), False
    while left:
        of_others, trained = [], False
        for number, run in left:
            if seconds is not None and time.time() - started > seconds:
                display.note(f"{seconds:g} seconds have passed, so no further run is begun")
                return folder.publish(table)
            with try_lock(folder.path, run.name) as ours:
                if not ours:
                    of_others.append((number, run))
                    continue
                record = read_record(folder.path, run.name)
                if record and (record.state != "failed" or record.ended >= started):
                    continue
                display.note(f"run {number} of {len(runs)}: {run.name}")
                folder.keep_record(folder.train(run, display), display)
                folder.publish(table)
                trained = True
        left = of_others
        if not left or trained:  # the others may have ended meanwhile
            continue
        if not waiting:
            names = ", ".join(run.name for _, run in left)
            display.note(f"{names}: other processes are at work; this one waits, and takes over what they leave")
        waiting = True
        time.sleep(LOOKS_AGAIN)
    return folder.publish(table)
