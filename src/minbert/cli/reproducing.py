"""``minbert reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minbert.cli.options import recipe_changes
from minbert.files.paths import to_path


def reproduce(
    paper: Annotated[str, typer.Argument(help="phan, yang-dange, li-ya, gao, goel, best (ours), or a YAML file.")],
    rows: Annotated[
        str | None, typer.Option(help="Only these rows, separated by commas; baselines are always run.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder of the course's files.")] = None,
    encoder: Annotated[str | None, typer.Option(help="'minilm', a folder, or an id on the hub.")] = None,
    budget: Annotated[str, typer.Option(help="smoke, quick, fair, full, or a YAML file.")] = "full",
    seeds: Annotated[
        str, typer.Option(help="How many seeds a row (its recipe's own and those after it), or the seeds: 1,2,3.")
    ] = "1",
    out: Annotated[
        Path | None, typer.Option(parser=to_path, help="The folder of all runs; by default runs/PAPER-BUDGET.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of every recipe; repeatable.")
    ] = None,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep every run's weights, not its records alone.")
    ] = False,
) -> None:
    """Run a paper's systems again and set our figures beside the published ones.

    The same command goes on where it was stopped; finished runs are kept.
    """
    from minbert.cli import tables
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.machine.signals import EndedBySignal
    from minbert.reproduction.reproduce import TABLES
    from minbert.reproduction.reproduce import reproduce as run_paper
    from minbert.training.interrupt import Interrupted

    display = Display(terminal())
    folder = out or Path("runs") / f"{paper}-{Path(budget).stem}"
    try:
        results = run_paper(
            paper,
            [name.strip() for name in rows.split(",")] if rows else [],
            seeds,
            folder,
            budget,
            recipe_changes(data, encoder),
            settings or [],
            keep_models,
            display,
        )
    except (Interrupted, EndedBySignal) as stopped:
        display.note("stopped. Give the same command again to go on.")
        raise typer.Exit(stopped.exit_code) from None
    for table in tables.reproduction(results):
        display.show(table)
    display.note(f"All of it, with what must be known to read it: {folder / TABLES}")
    if any(row["failures"] for table in results["tables"].values() for row in table["rows"].values()):
        display.note("Some runs did not come to their end; the page says why.")
        raise typer.Exit(1)
