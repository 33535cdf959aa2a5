"""What commands that run recipes have in common: changes by their options, and folders to run in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from minbert.errors import UserError, shown
from minbert.files.locks import BusyError
from minbert.files.outputs import is_vacant
from minbert.files.paths import to_path
from minbert.machine.launch import launched
from minbert.tasks.numbers import number

Ran = TypeVar("Ran")

Force = Annotated[bool, typer.Option("--force", help="Overwrite existing output files, but never an input.")]


def to_seed(words: str | int) -> int:
    """Return the seed that a user wrote.

    Raises:
        typer.BadParameter: it is none.
    """
    from minbert.recipe.seeds import HIGHEST_SEED

    value = number(str(words))  # an option's default is a number already
    if value is None or value % 1 or not 0 <= value <= HIGHEST_SEED:
        raise typer.BadParameter(f"'{shown(str(words))}' is no seed, which is a whole number from 0 on.")
    return int(value)


def to_count(words: str) -> int:
    """Return the number above 0, of whatever is counted, that a user wrote.

    Raises:
        typer.BadParameter: it is none.
    """
    value = number(words)
    if value is None or value % 1 or not 1 <= value <= 1_000_000:
        raise typer.BadParameter(f"'{shown(words)}' is no whole number from 1 to 1,000,000.")
    return int(value)


def to_seconds(words: str) -> float:
    """Return the seconds that a user wrote.

    Raises:
        typer.BadParameter: they are no number, or below 0.
    """
    value = number(words)
    if value is None or value < 0:
        raise typer.BadParameter(f"'{shown(words)}' is no number of seconds.")
    return float(value)


SEED = typer.Option(parser=to_seed, metavar="N", help="Everything random follows from it.")


def recipe_changes(data: str | None, encoder: str | None, seed: int | None = None) -> dict[str, Any]:
    """Return the keys of a recipe that options change, those that are given; a data folder as a whole path."""
    changes = {
        "data": data if data in (None, "sample") else str(to_path(data).resolve()),
        "encoder.name": encoder,
        "seed": seed,
    }
    return {key: value for key, value in changes.items() if value is not None}


def run_in_folder(
    out: Path | None,
    source: str,
    resume: bool,
    holds_this_recipe: Callable[[Path], bool],
    note: Callable[[str], None],
    run: Callable[[Path], Ran],
) -> Ran:
    """Return what ``run`` returns for the folder ``out``, or for one that is called by the recipe.

    That is ``runs/NAME`` or, where that is taken, ``runs/NAME-2`` and so on; of two runs that begin at the same
    moment each gets its own. To resume, it is the newest that holds an unfinished run of the recipe, else the newest
    that holds a finished one.

    Args:
        out: the folder that was asked for, if any was.
        source: the recipe's shipped name or path.
        resume: whether to look for a run to go on with.
        holds_this_recipe: whether a folder that is there holds a run of the recipe; raises UserError if it is damaged.
        note: told where ``resume`` finds nothing to go on with, and where an unfinished run is left as it is.
        run: what to do in a folder; claims it.

    Raises:
        BusyError: another process works in the folder that was asked for, or in the one to resume.
        UserError: several ranks share the work, and none was asked for.
    """
    if out is not None:
        return run(out)
    if launched():
        raise UserError("under torchrun give --out: all ranks of a run work in one folder.")
    name = Path(source).stem if source.endswith((".yaml", ".yml")) else source.replace("/", "-")
    from minbert.run_folder.folder import is_finished

    there = list(itertools.takewhile(Path.exists, _numbered(name)))
    if resume:
        if held := [folder for folder in there if holds_this_recipe(folder)]:
            return run(max(held, key=lambda folder: (not is_finished(folder), held.index(folder))))
        if there:
            note(f"no run of this recipe as it is now is in {', '.join(map(str, there))}: a new one begins")
    else:
        for folder in there:
            with suppress(UserError):  # a damaged run is in nobody's way here
                if not is_finished(folder) and holds_this_recipe(folder):
                    note(f"{folder} holds an unfinished run of this recipe; --resume goes on with it. A new one begins")
    for folder in filter(is_vacant, _numbered(name)):
        with suppress(BusyError):
            return run(folder)
    raise AssertionError  # numbers have no end


def _numbered(name: str) -> Iterator[Path]:
    yield Path("runs") / name
    yield from (Path("runs") / f"{name}-{number}" for number in itertools.count(2))


def told_stopped(*again: str | Path) -> str:
    """Return what is said of a run that was stopped; ``again`` is the command that goes on with it."""
    from minbert.display.commands import command_line

    how = "" if launched() is None else ", with torchrun as before"
    return f"stopped; the checkpoint is written. To go on{how}: {command_line(*again)}"
