"""Search for good values with optuna: every process takes a trial, trains it, tells the shared study, and goes on.

A trial is drawn by the tree-structured Parzen estimator (Bergstra et al. 2011) from the trials that have ended. Its
generator follows from the recipe's seed and the trial's rank alone, so a search that was stopped and resumed draws what
it would have drawn; with several processes, what has ended by then is up to chance. The first trial has the recipe's
own values where the space has them. A trial worse at an evaluation than the median of the earlier ones there can be
stopped early (the median rule of Golovin et al. 2017, section 3.2).

Processes share the study and the folder, and no lock: ``lease.py`` says who has a trial.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.machine.identity import machine_id, machine_name
from minbert.randomness import generator
from minbert.recipe.recipe import Recipe
from minbert.sweeping.folder import LOOKS_AGAIN, Pruned, SweepFolder
from minbert.sweeping.lease import Attempt, Fenced, Lease, add_waiting, fail_stale, latest_attempts, renew_lost
from minbert.sweeping.plan import Configuration, Run, Source
from minbert.sweeping.results import Results
from minbert.sweeping.study import EXPIRES_AFTER, Space, cannot_be_used, experimental, is_sqlite, open_study
from minbert.sweeping.values import Choices, base_value, compact
from minbert.training.stepper import OnEvaluation

if TYPE_CHECKING:
    from optuna import Trial


class Search:
    """One process's part in a search over ``space`` around a recipe."""

    def __init__(self, folder: SweepFolder, source: Source, space: Space, storage: str | None, prune: bool) -> None:
        """Open the study, or make it: in ``study.db`` of the folder, or in the database of an SQLAlchemy URL.

        Raises:
            UserError: optuna is not installed, or the database cannot be opened or holds another search.
        """
        self.folder = folder
        self.source = source
        self.space = space
        self.where = "--storage" if storage else f"{folder.path / 'study.db'}"
        self.study = open_study(folder, space, storage, prune)
        self._runs: dict[str, tuple[Run, str | None]] = {}

    def train(self, trials: int | None, seconds: float | None, display: Display) -> Results:
        """Train until ``trials`` trials in all have ended, or ``seconds`` have passed, and return all results.

        A trial whose process is gone is taken over where its checkpoint stands. While others are at the last trials,
        this process waits, for one of them may be gone before it ends.

        Raises:
            Interrupted: the user asked to stop; calling again goes on.
            UserError: files cannot be written, or the database cannot be used.
        """
        from optuna.exceptions import StorageInternalError

        try:
            self._train(trials, seconds, display)
            return self._publish()
        except StorageInternalError as error:
            raise cannot_be_used(self.where, error) from error

    def _train(self, trials: int | None, seconds: float | None, display: Display) -> None:
        started, waiting = time.monotonic(), False
        while True:
            if seconds is not None and time.monotonic() - started > seconds:
                display.note(f"{seconds:g} seconds have passed, so no further trial is begun")
                return
            attempts = self._attempts(trials)
            if (claimed := self._claimed(attempts)) is not None:
                self._try(*claimed, display)
                waiting = False
            elif trials is None or len(attempts) < trials:
                add_waiting(self.study)
            elif not (running := [attempt for attempt in attempts if not attempt.trial.state.is_finished()]):
                return
            else:
                if not waiting:
                    display.note(
                        f"{', '.join(attempt.name for attempt in running)}: other processes are at work; this one "
                        f"waits, and takes over what gives no sign of life for {EXPIRES_AFTER} seconds"
                    )
                waiting = True
                time.sleep(LOOKS_AGAIN)

    def _attempts(self, trials: int | None) -> list[Attempt]:
        """Return the latest attempt at each of the trials that count, after lost ones were copied."""
        fail_stale(self.study)
        while renew_lost(self.study, attempts := latest_attempts(self.study)[:trials]):
            pass
        return attempts

    def _claimed(self, attempts: Sequence[Attempt]) -> tuple[Attempt, Lease] | None:
        """Return the first attempt that waits, now ours, and its lease; None where none does.

        Raises:
            UserError: the study is a file, and another machine is at work in it.
        """
        if is_sqlite(self.study):
            running = [attempt.trial.user_attrs for attempt in attempts if attempt.trial.state.name == "RUNNING"]
            for machine, name in (noted["machine"] for noted in running if "machine" in noted):
                if machine != machine_id():
                    raise UserError(
                        f"{self.where}: is SQLite, which several machines cannot share, and {name} is at work in it. "
                        "Give the processes of all machines a database server: --storage postgresql+psycopg://..."
                    )
        for attempt in attempts:
            if attempt.trial.state.name == "WAITING" and (lease := Lease.claim(self.study, attempt)):
                return attempt, lease
        return None

    def _try(self, attempt: Attempt, lease: Lease, display: Display) -> None:
        """Train an attempt to its end, unless it turns out to be another process's by then."""
        with lease:
            try:
                self._carry_out(attempt, lease, display)
            except Fenced:
                display.note(f"{attempt.name}: another process has taken it over; nothing of this one's work counts")
            except UserError as error:
                if lease.is_held:
                    lease.give_back()
                    raise
                display.note(f"{attempt.name}: another process has taken it over, and its folder ({error})")
            except BaseException:
                lease.give_back()
                raise
        self._publish()

    def _carry_out(self, attempt: Attempt, lease: Lease, display: Display) -> None:
        lease.note("machine", [machine_id(), machine_name()])
        trial = self._trial(attempt)
        run, refusal = self._run(attempt.name, self._draw(trial))
        display.note(f"{run.name}: " + ", ".join(f"{k}={compact(v)}" for k, v in trial.params.items()))
        self.folder.take_over([attempt.name_of(number) for number in range(attempt.number - 1, 0, -1)], run.name)
        if refusal is None:
            record = self.folder.train(run, display, self._judge(trial, lease))
        else:
            record = self.folder.refused(run, refusal)
        lease.check()
        self.folder.keep_record(record, display)
        lease.finish(record.state, record.score)

    def _trial(self, attempt: Attempt) -> Trial:
        """Return the attempt as optuna draws its values."""
        import optuna

        seed = int(generator(self.source.recipe.seed, "search", attempt.rank).integers(2**32))
        sampler: optuna.samplers.BaseSampler = optuna.samplers.TPESampler(seed=seed)
        if attempt.rank == 0 and (own := _own_values(self.source.recipe, self.space)):
            with experimental():
                sampler = optuna.samplers.PartialFixedSampler(own, sampler)
        # A study's object remembers trials for as long as it draws for one; this one draws for no other.
        study = optuna.load_study(
            study_name=self.study.study_name, storage=self.study._storage, sampler=sampler, pruner=self.study.pruner
        )
        return optuna.trial.Trial(study, attempt.trial._trial_id)

    def _draw(self, trial: Trial) -> dict[str, Any]:
        """Return the trial's changes; what an earlier attempt has drawn stays."""
        changes: dict[str, Any] = {}
        for key, values in self.space.items():
            if isinstance(values, Choices):
                changes[key] = values.by_text[trial.suggest_categorical(key, list(values.by_text))]
            elif isinstance(values.low, int) and isinstance(values.high, int):
                changes[key] = trial.suggest_int(key, values.low, values.high, log=values.log)
            else:
                changes[key] = trial.suggest_float(key, values.low, values.high, log=values.log)
        return changes

    def _run(self, name: str, changes: Mapping[str, Any]) -> tuple[Run, str | None]:
        """Return the run of an attempt; or, with the reason, one that must not train: its values make no recipe.

        A recipe takes milliseconds to check, and all trials are asked for after each, so each is checked once.
        """
        if name not in self._runs:
            try:
                recipe, refusal = self.source.changed(changes), None
            except UserError as error:
                recipe, refusal = self.source.recipe, str(error)
            self._runs[name] = Run(name, Configuration(name, changes, recipe), recipe.seed), refusal
        return self._runs[name]

    def _judge(self, trial: Trial, lease: Lease) -> OnEvaluation:
        """Return what reports each evaluation to the study and prunes the trial where the study advises it."""
        from optuna.exceptions import UpdateFinishedTrialError

        reported = set(lease.trial().intermediate_values)

        def judge(evaluation: int, score: float) -> None:
            lease.check()
            if evaluation not in reported:
                try:
                    trial.report(score, evaluation)
                except UpdateFinishedTrialError:
                    raise Fenced from None
            if trial.should_prune():
                raise Pruned(f"its best score by evaluation {evaluation}, {score:.3f}, is worse than the median there")

        return judge

    def _publish(self) -> Results:
        """Write the results of all trials; again, where trials have ended meanwhile, so that no older ones stay."""
        while True:
            attempts = latest_attempts(self.study)
            table: dict[str, tuple[Configuration, Sequence[Run]]] = {}
            for attempt in attempts:
                drawn = attempt.trial.params
                if self.space.keys() <= drawn.keys():
                    changes = {
                        key: values.by_text[drawn[key]] if isinstance(values, Choices) else drawn[key]
                        for key, values in self.space.items()
                    }
                    run, _ = self._run(attempt.name, changes)
                    table[run.name] = (run.configuration, [run])
            results = self.folder.publish(table)
            if _ended(latest_attempts(self.study)) == _ended(attempts):
                return results


def _ended(attempts: Sequence[Attempt]) -> list[str]:
    return [attempt.name for attempt in attempts if attempt.trial.state.is_finished()]


def _own_values(recipe: Recipe, space: Space) -> dict[str, Any] | None:
    """Return the recipe's own values as a study's parameters, if all of them lie in ``space``."""
    own: dict[str, Any] = {}
    for key, values in space.items():
        value = base_value(recipe, key)
        if isinstance(values, Choices):
            texts = [text for text, choice in values.by_text.items() if choice == value]
            if not texts:
                return None
            own[key] = texts[0]
        elif isinstance(value, int | float) and values.low <= value <= values.high:
            own[key] = value
        else:
            return None
    return own
