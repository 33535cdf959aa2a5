"""A run's model written in a format: checked, whole, with a page that says how to load it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minbert.errors import UserError, did_you_mean
from minbert.export.carrying import Carried, Exported
from minbert.export.formats import Format
from minbert.export.page import CARD, folder_page
from minbert.files import write_text
from minbert.files.folders import new_folder
from minbert.multitask.model import MultitaskModel


def find_format(name: str) -> Format:
    """Return the format of this name.

    Raises:
        UserError: there is none, or packages that write it are not installed.
    """
    if name not in Format.members:
        known = ", ".join(Format.members)
        raise UserError(f"--to {name}: is no format{did_you_mean(name, Format.members)}; known: {known}.")
    Format.members[name].check_installed()
    return Format.members[name]


def export_model(model: MultitaskModel, written: Format, folder: Path, tasks: Sequence[str] = ()) -> dict[str, Carried]:
    """Write a model into a new folder; return how much of each task was carried.

    Args:
        model: on the CPU. Tasks that are not asked for are taken from it.
        written: the format.
        folder: not there yet, or empty.
        tasks: which of the model's; all where none are named.

    Raises:
        UserError: the model has no such task, the format refuses one, or the folder cannot be written.
    """
    keep_tasks(model, tasks)
    carried = {name: written.carries(Exported.of(model, name)) for name in model.tasks}
    _check_all_carried(model, written, carried)
    with new_folder(folder) as place:
        written.write(model, place)
        write_text(place / CARD, folder_page(folder.resolve().name, model, written, carried))
    return carried


def keep_tasks(model: MultitaskModel, names: Sequence[str]) -> None:
    """Take all tasks from a model but the named ones; none of them where none are named.

    Raises:
        UserError: it has no such task.
    """
    for name in names:
        model.task(name)
    for name in [name for name in model.tasks if names and name not in names]:
        del model.tasks[name], model.heads[name]
        if name in model.adapters:
            del model.adapters[name]


def _check_all_carried(model: MultitaskModel, written: Format, carried: dict[str, Carried]) -> None:
    """Refuse what the format cannot carry, with the reason and the way that is left."""
    refused = {name: told.why for name, told in carried.items() if told.extent == "refused"}
    if not refused:
        return
    reasons = "; ".join(f"task '{name}': {why}" for name, why in refused.items())
    others = [
        other.name
        for other in Format.members.values()
        if all(other.carries(Exported.of(model, name)).extent != "refused" for name in refused)
    ]
    ways = [f"--to {' or --to '.join(others)} carries what it does not"] if others else []
    if kept := [name for name in carried if name not in refused]:
        ways.append(f"{' '.join(f'--task {name}' for name in kept)} exports the rest")
    raise UserError(f"{written.name} cannot carry {reasons}. {'; '.join(ways) or 'No format can'}.")
