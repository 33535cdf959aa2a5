"""``ensemble.json``: which runs make an ensemble, and what each of them counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from minbert.errors import UserError
from minbert.files import write_json
from minbert.files.json_text import read_json
from minbert.files.paths import to_path
from minbert.methods import Settings

ENSEMBLE = "ensemble.json"


class EnsembleMember(Settings):
    """One run's part in a task's ensemble."""

    run: str = Field(description="the run's folder; in the file, as seen from the ensemble's")
    weight: float = Field(gt=0, le=1, description="what its answers count; the members' weights add up to 1")


class EnsembleFile(Settings):
    """An ensemble, complete: whoever has the runs can ask it."""

    format: Literal[1] = 1
    tasks: dict[str, Annotated[list[EnsembleMember], Field(min_length=1)]] = Field(
        min_length=1, description="the members of every task"
    )


def write_ensemble(folder: Path, ensemble: EnsembleFile) -> None:
    """Write ``ensemble`` into ``folder``, so that it and its runs can be moved together."""

    def seen_from_folder(run: str) -> str:
        try:
            return Path(os.path.relpath(run, folder.resolve())).as_posix()
        except ValueError:  # on another drive, where Windows knows no way from one to the other
            return run

    write_json(folder / ENSEMBLE, _with_runs(ensemble, seen_from_folder).model_dump(mode="json"))


def read_ensemble(folder: Path) -> EnsembleFile:
    """Return the ensemble of a folder, its runs by whole paths.

    Raises:
        UserError: there is none, or the file is damaged.
    """
    path = folder / ENSEMBLE
    try:
        ensemble = EnsembleFile.model_validate(read_json(path))
    except ValidationError as error:
        raise UserError(f"{path}: is damaged, or of another version of minbert: {error}") from None
    return _with_runs(ensemble, lambda run: str((folder / to_path(run)).resolve()))


def check_has_model(folder: Path, where: object) -> None:
    """Refuse an ensemble's folder where one model is asked for; ``where`` names it.

    Raises:
        UserError: it is one.
    """
    if (folder / ENSEMBLE).is_file():
        raise UserError(
            f"{where}: is an ensemble, which has no model of its own. Ask one of its runs, or make one model of them: "
            "minbert soup, or a student (distillation.teachers)."
        )


def _with_runs(ensemble: EnsembleFile, renamed: Callable[[str], str]) -> EnsembleFile:
    return EnsembleFile(
        tasks={
            task: [EnsembleMember(run=renamed(member.run), weight=member.weight) for member in members]
            for task, members in ensemble.tasks.items()
        }
    )
