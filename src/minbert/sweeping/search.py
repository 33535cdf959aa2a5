"""Search for good values with optuna: every process draws a trial, trains it, tells the shared study, and goes on.

A trial is drawn by the tree-structured Parzen estimator (Bergstra et al. 2011) from the trials that have ended. Its
generator follows from the recipe's seed and the trial's number alone, so a search that was stopped and resumed draws
what it would have drawn; with several processes, what has ended by then is up to chance. The first trial has the
recipe's own values where the space has them. A trial worse at an evaluation
than the median of the earlier ones there can be stopped early (the median rule of Golovin et al. 2017, section 3.2).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minbert.display.progress import Display
from minbert.errors import UserError
from minbert.files.locks import try_lock, wait_for_lock
from minbert.randomness import generator
from minbert.recipe.recipe import Recipe
from minbert.sweeping.folder import Pruned, SweepFolder
from minbert.sweeping.plan import Configuration, Run, Source
from minbert.sweeping.records import Record, score_name
from minbert.sweeping.results import Results
from minbert.sweeping.values import Choices, Range, base_value, compact
from minbert.tasks.metrics import worth

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

Space = Mapping[str, Range | Choices]


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
        self.study = _open_study(folder, space, storage, prune)
        self._runs: dict[int, tuple[Run, str | None]] = {}

    def train(self, trials: int | None, seconds: float | None, display: Display) -> Results:
        """Train until the study has ``trials`` trials in all, or ``seconds`` have passed, and return all results.

        A trial whose process is gone is taken over where its checkpoint stands.

        Raises:
            Interrupted: the user asked to stop; calling again goes on.
            UserError: files cannot be written.
        """
        started = time.monotonic()
        while True:
            if seconds is not None and time.monotonic() - started > seconds:
                display.note(f"{seconds:g} seconds have passed, so no further trial is begun")
                break
            with ExitStack() as lock:
                trial = self._claim(trials, lock)
                if trial is None:
                    break
                run, refusal = self._run(trial.number, self._draw(trial))
                display.note(f"{run.name}: " + ", ".join(f"{k}={compact(v)}" for k, v in trial.params.items()))
                if refusal is None:
                    self._tell(trial, self.folder.train(run, display, self._judge(trial)))
                else:
                    self._tell(trial, self.folder.refuse(run, refusal, display))
                self._publish()
        return self._publish()

    def _claim(self, trials: int | None, lock: ExitStack) -> Trial | None:
        """Return a trial to train and put its lock on ``lock``; None where all are taken."""
        import optuna

        with wait_for_lock(self.folder.path, "claim"):
            waiting = optuna.trial.TrialState.WAITING  # the recipe's own values, for whoever comes first
            known = [trial for trial in self.study.get_trials(deepcopy=False) if trial.state != waiting]
            for old in known:
                if old.state == optuna.trial.TrialState.RUNNING and self._is_abandoned(old, lock):
                    self.study.sampler = self._sampler(old.number)
                    return optuna.trial.Trial(self.study, old._trial_id)
            if trials is not None and len(known) >= trials:
                return None
            self.study.sampler = self._sampler(len(known))
            trial = self.study.ask()
            lock.enter_context(try_lock(self.folder.path, _name(trial.number)))
            return trial

    def _is_abandoned(self, trial: FrozenTrial, lock: ExitStack) -> bool:
        """Return whether the process that drew ``trial`` is gone; if so its lock is now ours."""
        with ExitStack() as attempt:
            if not attempt.enter_context(try_lock(self.folder.path, _name(trial.number))):
                return False
            # It may have ended between our look at the study and the lock.
            if self.study.get_trials(deepcopy=False)[trial.number].state.is_finished():
                return False
            lock.push(attempt.pop_all())
            return True

    def _sampler(self, number: int) -> Any:
        import optuna

        seed = int(generator(self.source.recipe.seed, "search", number).integers(2**32))
        return optuna.samplers.TPESampler(seed=seed)

    def _draw(self, trial: Trial) -> dict[str, Any]:
        """Return the trial's changes; what it has drawn before a kill stays."""
        changes: dict[str, Any] = {}
        for key, values in self.space.items():
            if isinstance(values, Choices):
                changes[key] = values.by_text[trial.suggest_categorical(key, list(values.by_text))]
            elif isinstance(values.low, int) and isinstance(values.high, int):
                changes[key] = trial.suggest_int(key, values.low, values.high, log=values.log)
            else:
                changes[key] = trial.suggest_float(key, values.low, values.high, log=values.log)
        return changes

    def _run(self, number: int, changes: Mapping[str, Any]) -> tuple[Run, str | None]:
        """Return the run of a trial; or, with the reason, one that must not train: its values make no recipe.

        A recipe takes milliseconds to check, and all trials are asked for after each, so each is checked once.
        """
        if number not in self._runs:
            try:
                recipe, refusal = self.source.changed(changes), None
            except UserError as error:
                recipe, refusal = self.source.recipe, str(error)
            self._runs[number] = Run(_name(number), Configuration(_name(number), changes, recipe), recipe.seed), refusal
        return self._runs[number]

    def _judge(self, trial: Trial) -> Any:
        """Return what reports each evaluation to the study and prunes the trial where the study advises it."""

        def judge(evaluation: int, score: float) -> None:
            if evaluation not in self.study.get_trials(deepcopy=False)[trial.number].intermediate_values:
                trial.report(score, evaluation)
            if trial.should_prune():
                raise Pruned(f"its best score by evaluation {evaluation}, {score:.3f}, is worse than the median there")

        return judge

    def _tell(self, trial: Trial, record: Record) -> None:
        from optuna.trial import TrialState

        if record.state == "finished":
            self.study.tell(trial, record.score)
        else:
            self.study.tell(trial, state=TrialState.PRUNED if record.state == "pruned" else TrialState.FAIL)

    def _publish(self) -> Results:
        table: dict[str, tuple[Configuration, Sequence[Run]]] = {}
        for trial in self.study.get_trials(deepcopy=False):
            if self.space.keys() <= trial.params.keys():
                drawn = trial.params
                changes = {
                    key: values.by_text[drawn[key]] if isinstance(values, Choices) else drawn[key]
                    for key, values in self.space.items()
                }
                run, _ = self._run(trial.number, changes)
                table[run.name] = (run.configuration, [run])
        return self.folder.publish(table)


def _name(number: int) -> str:
    return f"trial-{number:04d}"


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


def _open_study(folder: SweepFolder, space: Space, storage: str | None, prune: bool) -> Study:
    try:
        import optuna
    except ImportError:
        raise UserError("--search needs optuna: pip install 'minbert[sweep]'. (--grid does without.)") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = storage or f"sqlite:///{folder.path.resolve() / 'study.db'}"
    definition = json.dumps(
        {"recipe": folder.recipe.model_dump(mode="json"), "search": {key: str(values) for key, values in space.items()}}
    )
    pruners = optuna.pruners
    try:
        with wait_for_lock(folder.path, "claim"):
            # By default sqlite waits five seconds for another process's writing, too little on a slow disk.
            engine = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None
            study = optuna.create_study(
                storage=optuna.storages.RDBStorage(url, engine_kwargs=engine),
                pruner=pruners.MedianPruner() if prune else pruners.NopPruner(),
                study_name=folder.path.resolve().name,
                direction="minimize" if worth(score_name(folder.recipe), 1.0) < 0 else "maximize",
                load_if_exists=True,
            )
            known = study.user_attrs.get("minbert")
            if known is None:
                if own := _own_values(folder.recipe, space):
                    study.enqueue_trial(own, skip_if_exists=True)
                study.set_user_attr("minbert", definition)
    except UserError:
        raise
    except Exception as error:  # of SQLAlchemy, of the database's driver, or of optuna
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        where = "--storage" if storage else f"{Path(folder.path) / 'study.db'}"
        raise UserError(f"{where}: cannot be opened as a study's database ({said}).") from None
    if known not in (None, definition):
        raise UserError(
            f"--storage: holds a study '{study.study_name}' of another search; choose another database, or an --out "
            "that is called otherwise."
        )
    return study
