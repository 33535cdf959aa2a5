"""Who has a trial: one process at a time, on any machine, for as long as it gives signs of life.

A search shares nothing but the study's database, so that is where a trial is had. A process that trains an attempt at a
trial records a heartbeat every few seconds, by the database's clock. One whose heartbeats stop (killed, stopped, cut
off) loses the trial: the attempt becomes FAIL, and a copy of it, with the same draws, waits for whoever comes first
(optuna's heartbeats, and its callback that retries). The attempt's own number is the token that fences its process
off: an attempt that has ended takes no report and no result any more, and ``Lease.check`` says so before anything that
counts.
"""

from __future__ import annotations

import copy
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from minbert.sweeping.study import RENEWED_EVERY, experimental

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_FAILED = "minbert: failed"
"""A trial's attribute: it has failed by its own fault, and is not to be tried again. Set before its state."""
_ORIGINAL, _BEFORE = "failed_trial", "retry_history"
"""What optuna's callback notes in a copy: the number of the original, and those of all attempts before the copy."""


class Fenced(Exception):  # noqa: N818  (no error: another process goes on with the trial)
    """Another process has the trial by now, so nothing that this one does with it counts."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The latest attempt at a trial."""

    rank: int
    """The trial's, from 0, among all that are no copies: it decides what is drawn, and never changes."""
    number: int
    """Which attempt it is, from 1."""
    trial: FrozenTrial

    @property
    def name(self) -> str:
        """What its run is called."""
        return self.name_of(self.number)

    def name_of(self, number: int) -> str:
        """Return what the run of another attempt at the trial is called."""
        return f"trial-{self.rank:04d}" + (f"-attempt-{number}" if number > 1 else "")

    @property
    def is_lost(self) -> bool:
        """Whether its process lost it, so that it is to be tried again."""
        return self.trial.state.name == "FAIL" and _FAILED not in self.trial.user_attrs


def latest_attempts(study: Study) -> list[Attempt]:
    """Return the latest attempt at every trial, by rank.

    Processes may have copied a lost attempt at the same time; the first of such copies counts, the others never train.
    """
    trials = study.get_trials(deepcopy=False)
    ranks = {trial.number: rank for rank, trial in enumerate(t for t in trials if _ORIGINAL not in t.system_attrs)}
    latest: dict[int, Attempt] = {}
    for trial in sorted(trials, key=lambda trial: (len(trial.system_attrs.get(_BEFORE, [])), trial.number)):
        rank = ranks[trial.system_attrs.get(_ORIGINAL, trial.number)]
        number = len(trial.system_attrs.get(_BEFORE, [])) + 1
        if rank not in latest or latest[rank].number < number:
            latest[rank] = Attempt(rank, number, trial)
    return [latest[rank] for rank in sorted(latest)]


def renew_lost(study: Study, attempts: list[Attempt]) -> bool:
    """Copy every attempt that was lost; return whether there was one."""
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    lost = [attempt for attempt in attempts if attempt.is_lost]
    with experimental():
        for attempt in lost:
            # The callback appends to the list of attempts that it is given, which the study remembers.
            RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)(study, copy.deepcopy(attempt.trial))
    return bool(lost)


def fail_stale(study: Study) -> None:
    """Make every attempt FAIL whose process has given no sign of life for too long, by the database's clock."""
    from optuna.storages import fail_stale_trials

    with experimental():
        fail_stale_trials(study)


def add_waiting(study: Study) -> None:
    """Add a trial that nothing has been drawn for."""
    import optuna

    study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.WAITING))


class Lease:
    """One process's hold on an attempt, renewed in the background until the body ends."""

    def __init__(self, study: Study, trial_id: int) -> None:
        self._study = study
        self._storage: Any = study._storage
        self.trial_id = trial_id
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    @classmethod
    def claim(cls, study: Study, attempt: Attempt) -> Self | None:
        """Return the lease of an attempt that waits, or None where another process was quicker."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        storage: Any = study._storage
        trial_id = attempt.trial._trial_id
        # A heartbeat first: an attempt that runs without one would never count as lost.
        storage.record_heartbeat(trial_id)
        with suppress(UpdateFinishedTrialError):
            if storage.set_trial_state_values(trial_id, state=TrialState.RUNNING):
                return cls(study, trial_id)
        return None

    def __enter__(self) -> Self:
        self._renewing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._renewing.join()

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED_EVERY):
            # A database that is away for a moment may be back before the lease has expired; if not, check() tells.
            with suppress(Exception):
                self._storage.record_heartbeat(self.trial_id)
        with suppress(Exception):
            self._storage.remove_session()

    def trial(self) -> FrozenTrial:
        """Return the attempt as the database has it."""
        trial: FrozenTrial = self._storage.get_trial(self.trial_id)
        return trial

    @property
    def is_held(self) -> bool:
        """Whether the attempt is still this process's."""
        return not self.trial().state.is_finished()

    def check(self) -> None:
        """Check that the attempt is still this process's.

        Raises:
            Fenced: it is not.
        """
        if not self.is_held:
            raise Fenced

    def give_back(self) -> None:
        """End the attempt, so that any process can take the trial over at once."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with suppress(UpdateFinishedTrialError):
            self._storage.set_trial_state_values(self.trial_id, state=TrialState.FAIL)

    def finish(self, state: str, score: float | None) -> None:
        """End the attempt for good, as ``finished`` with its score, ``pruned``, or ``failed`` by its own fault.

        Raises:
            Fenced: it is another process's by now.
        """
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        if state == "failed":
            self.note(_FAILED, True)
        told = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}[state]
        try:
            self._storage.set_trial_state_values(self.trial_id, told, None if score is None else [score])
        except UpdateFinishedTrialError:
            raise Fenced from None

    def note(self, key: str, value: Any) -> None:
        """Give the attempt an attribute.

        Raises:
            Fenced: it is another process's by now.
        """
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            self._storage.set_trial_user_attr(self.trial_id, key, value)
        except UpdateFinishedTrialError:
            raise Fenced from None
