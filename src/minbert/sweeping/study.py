"""The study that the processes of a search share: its database, and what says that it is of this very search."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minbert.errors import UserError
from minbert.sweeping.folder import SweepFolder
from minbert.sweeping.records import score_name
from minbert.sweeping.values import Choices, Range
from minbert.tasks.metrics import worth

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage

Space = Mapping[str, Range | Choices]

RENEWED_EVERY = 10
"""Seconds between two heartbeats of a process that has a trial."""
EXPIRES_AFTER = 60
"""Seconds without a heartbeat, by the database's clock, after which another process may take the trial over."""
_TRIES = 10
"""Of opening: processes that begin together may each find the other's tables half made."""


def open_study(folder: SweepFolder, space: Space, storage: str | None, prune: bool) -> Study:
    """Return the study of a search, made if need be: in ``study.db`` of its folder, or in the database ``storage``.

    Raises:
        UserError: optuna is not installed, or the database cannot be opened or holds another search.
    """
    try:
        import optuna
    except ImportError:
        raise UserError("--search needs optuna: pip install 'minbert[sweep]'. (--grid does without.)") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = storage or f"sqlite:///{folder.path.resolve() / 'study.db'}"
    where = "--storage" if storage else f"{Path(folder.path) / 'study.db'}"
    definition = json.dumps(
        {"recipe": folder.recipe.model_dump(mode="json"), "search": {key: str(values) for key, values in space.items()}}
    )
    pruners = optuna.pruners
    for attempt in range(1, _TRIES + 1):
        try:
            study = optuna.create_study(
                storage=_database(url),
                pruner=pruners.MedianPruner() if prune else pruners.NopPruner(),
                study_name=folder.path.resolve().name,
                direction="minimize" if worth(score_name(folder.recipe), 1.0) < 0 else "maximize",
                load_if_exists=True,
            )
            if "minbert" not in study.user_attrs:
                study.set_user_attr("minbert", definition)
            known = study.user_attrs["minbert"]
            break
        except Exception as error:  # of SQLAlchemy, of the database's driver, or of optuna
            if attempt == _TRIES or not _may_pass(error):
                raise cannot_be_used(where, error) from None
            time.sleep(0.1 * attempt)
    if known != definition:
        raise UserError(
            f"--storage: holds a study '{study.study_name}' of another search; choose another database, or an --out "
            "that is called otherwise."
        )
    return study


def cannot_be_used(where: str, error: Exception) -> UserError:
    """Return what to tell of a study's database that does not do what it should."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UserError(f"{where}: cannot be opened as a study's database ({said}).")


@contextmanager
def experimental() -> Iterator[None]:
    """Keep optuna from warning that its heartbeats are new, and are meant for ``Study.optimize``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_sqlite(study: Study) -> bool:
    """Return whether a study is in a file, which only processes of one machine can share."""
    engine: Any = _backend(study).engine
    return bool(engine.name == "sqlite")


def _backend(study: Study) -> Any:
    return getattr(study._storage, "_backend", study._storage)


def _database(url: str) -> RDBStorage:
    import optuna

    lite = url.startswith("sqlite")
    # By default SQLite waits five seconds for another process's writing, too little on a slow disk.
    engine = {"connect_args": {"timeout": 60, "isolation_level": None}} if lite else None
    with experimental():
        storage = optuna.storages.RDBStorage(
            url, engine_kwargs=engine, heartbeat_interval=RENEWED_EVERY, grace_period=EXPIRES_AFTER
        )
    if lite:
        _serialise(storage.engine)
    return storage


def _serialise(engine: Any) -> None:
    """Have SQLite do one transaction after the other, as ``SELECT ... FOR UPDATE`` does on a server.

    It has no such words. Without this, two processes that read the same trial as waiting would both claim it.
    """
    from sqlalchemy import event

    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))


def _may_pass(error: Exception) -> bool:
    """Return whether it may be another process's doing, which is making the tables or the study at this moment."""
    told = str(error).lower()
    return any(word in told for word in ("already exists", "duplicate", "unique", "locked"))
