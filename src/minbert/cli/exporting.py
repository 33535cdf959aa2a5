"""``minbert export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minbert.cli.inference import Run
from minbert.files.paths import to_path


def export(
    run: Run,
    folder: Annotated[Path, typer.Argument(metavar="DIR", parser=to_path, help="The new folder.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="One of the formats of docs/export.md.")],
    tasks: Annotated[
        list[str] | None, typer.Option("--task", help="Only these tasks of the model; repeatable.")
    ] = None,
) -> None:
    """Write a run's model for another library or program, with a page that says how to load it."""
    from minbert.cli.inference import load
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.export.exporting import export_model, find_format
    from minbert.files.folders import check_vacant
    from minbert.run_folder.unfinished import undecided

    display = Display(terminal())
    check_vacant(folder)
    written = find_format(to)
    model = load(run, display)
    if note := undecided(to_path(run), model.tasks):
        display.note(note)
    carried = export_model(model.cpu(), written, folder, tasks or [])
    for name, told in carried.items():
        display.note(f"{name}: {told.extent}{f' ({told.why})' if told.why else ''}")
    display.note(f"{folder}: {written.title}. README.md there says how to load it")
