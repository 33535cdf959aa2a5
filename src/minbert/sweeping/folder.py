"""A sweep's folder: whose it is, what is trained in it, and which models stay."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import torch

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files import write_text
from minbert.files.left_overs import remove_left_overs
from minbert.files.locks import is_lock, wait_for_lock
from minbert.files.strict_yaml import read_yaml, to_yaml
from minbert.recipe.recipe import Recipe
from minbert.run_folder.differences import told_differences
from minbert.run_folder.folder import drop_checkpoints, drop_weights
from minbert.run_folder.inputs import INPUTS, RunInputs
from minbert.run_folder.whole import check_whole
from minbert.running.inputs import data_files
from minbert.running.run import train_recipe
from minbert.sweeping.plan import Configuration, Run
from minbert.sweeping.records import (
    Record,
    drop_record,
    finished,
    read_record,
    read_records,
    unfinished,
    write_record,
)
from minbert.sweeping.results import BEST, Results, Row, write_results
from minbert.training.stepper import OnEvaluation

SWEEP = "sweep.yaml"
LOOKS_AGAIN = 1.0
"""Seconds after which a process that waits for others looks again."""

Keep = Literal["best", "all", "none"]
"""Which models stay when a run has ended: those of the best configuration, all, or none."""


class Pruned(Exception):  # noqa: N818  (a decision, not an error)
    """A run is not worth going on with; its text says why."""


class SweepFolder:
    """The folder of a sweep of ``recipe`` over ``keys``."""

    def __init__(self, path: Path, recipe: Recipe, keys: Sequence[str], keep: Keep) -> None:
        self.path = path
        self.recipe = recipe
        self.keys = keys
        self.keep = keep

    def open(self, resume: bool, search: Mapping[str, str] | None, display: Display) -> None:
        """Make the folder, or check that it is of a sweep of the same recipe (and the same ``search``, if it is one).

        A sweep compares its runs, so all of them read the same data: those that it began with.

        Raises:
            UserError: it holds something else, or such a sweep and ``resume`` was not asked for.
        """
        path, said = self.path, {"search": search, "recipe": self.recipe.model_dump(mode="json")}
        if path.is_file():
            raise UserError(f"{path}: is a file; choose another --out.")
        if path.is_dir() and not (path / SWEEP).is_file() and any(map(_is_foreign, path.iterdir())):
            raise UserError(f"{path}: is not empty and no sweep of minbert's; choose another --out.")
        with wait_for_lock(path, "folder"):
            remove_left_overs(path)
            if not (path / SWEEP).is_file():
                inputs = RunInputs(path, False, display)
                inputs.add(data_files(self.recipe))
                inputs.write()
                write_text(path / SWEEP, to_yaml(said))  # last: with it, the folder is a sweep to go on with
                return
        if (there := read_yaml(path / SWEEP)) != said:
            differ = told_differences(there, said)
            raise UserError(
                f"{path}: holds a sweep of another recipe or another search ({differ}); choose another --out."
            )
        if not resume:
            raise UserError(
                f"{path}: holds a sweep of this recipe; add --resume to go on with it, or to help a process that is at "
                "work there, or choose another --out."
            )
        RunInputs(path, True, display).add(data_files(self.recipe))
        self._check_finished()

    def _check_finished(self) -> None:
        """Check that the runs that are finished, and are not trained again, are what was written.

        Raises:
            UserError: one is not, or a record is damaged.
        """
        with wait_for_lock(self.path, "results"):  # nobody drops models meanwhile
            for record in read_records(self.path):
                if record.state == "finished":
                    run = self.path / record.name
                    check_whole(run, f"remove {run}: the sweep keeps its scores, and {BEST} trains the best anew")

    def train(self, run: Run, display: Display, on_evaluation: OnEvaluation | None = None) -> Record:
        """Train a run, or go on with it, and return how it ended, whatever becomes of it.

        Raises:
            Interrupted: the user asked to stop; training the run again goes on.
            UserError: files cannot be written: no fault of the run's.
        """
        try:
            summary = train_recipe(run.recipe, self.path / run.name, True, display, on_evaluation)
            record = finished(run, summary.metrics)
        except Pruned as reason:
            record = unfinished(run, "pruned", str(reason), self.path)
        except UserError as error:
            if isinstance(error.__cause__, OSError):
                raise
            record = unfinished(run, "failed", str(error), self.path)
        except torch.OutOfMemoryError:
            record = unfinished(run, "failed", "the GPU has too little memory for it", self.path)
        gc.collect()  # a failed run's tensors hang on its traceback
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return record

    def refused(self, run: Run, reason: str) -> Record:
        """Return the record of a run that cannot be trained."""
        return unfinished(run, "failed", reason, self.path)

    def keep_record(self, record: Record, display: Display) -> None:
        """Write how a run ended, and tell of one that did not come to its end."""
        write_record(self.path, record)
        if record.state != "finished":
            display.note(f"{record.name} {record.state}: {record.message}")

    def take_over(self, earlier: Sequence[str], name: str) -> None:
        """Give the run ``name`` the folder that the latest of its ``earlier`` attempts left, if one left any.

        Files stand in the places of all earlier folders from then on. So whoever is still at work on such an attempt
        can write nothing more: not into the folder, which it knows by its old name, nor into a new one of that name.
        """
        left = next((self.path / other for other in earlier if (self.path / other).is_dir()), None)
        if left is not None:
            with suppress(OSError):  # where its files are open, Windows renames no folder: the run begins anew
                left.rename(self.path / name)
                for lock in filter(is_lock, (self.path / name).iterdir()):
                    lock.unlink()
        for other in earlier:
            drop_record(self.path, other)
            if not (self.path / other).exists():
                write_text(self.path / other, f"Another process went on with this, as {name}.\n")

    def publish(self, configurations: Mapping[str, tuple[Configuration, Sequence[Run]]]) -> Results:
        """Write the results of all runs that have ended, by whichever process, and drop the models not to be kept."""
        with wait_for_lock(self.path, "results"):
            rows = []
            for configuration, runs in configurations.values():
                records = [record for run in runs if (record := read_record(self.path, run.name))]
                rows.append(Row(configuration, runs, records))
            results = Results(self.recipe, self.keys, rows)
            write_results(self.path, results)
            self._tidy(results)
        return results

    def _tidy(self, results: Results) -> None:
        if self.keep == "all":
            return
        best = results.best
        for row in results.rows:
            for record in row.records:
                # Seeds of a row that is not complete stay: it may be the best once it is.
                stays = self.keep == "best" and record.state == "finished" and (row is best or not row.complete)
                if record.state == "failed":
                    continue  # may be tried again from its checkpoint
                (drop_checkpoints if stays else drop_weights)(self.path / record.name)


def _is_foreign(path: Path) -> bool:
    """Return whether a process that was killed when it began a sweep has not written this."""
    return path.name != INPUTS and not path.name.startswith(".")
