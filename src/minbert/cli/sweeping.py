"""``minbert sweep``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from minbert.cli.options import recipe_changes, to_count, to_seconds
from minbert.files.paths import to_path

if TYPE_CHECKING:
    from minbert.display.progress import Display
    from minbert.sweeping.results import Results


def sweep(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name (see 'minbert recipes') or a YAML file.")],
    out: Annotated[
        Path, typer.Option(parser=to_path, help="The sweep's folder: a run's folder for each run, and the results.")
    ],
    grid: Annotated[
        list[str] | None, typer.Option(metavar="KEY=V1,V2", help="Train with each of a key's values; repeatable.")
    ] = None,
    one_at_a_time: Annotated[
        bool, typer.Option("--one-at-a-time", help="Vary one key of the grid at a time; the others keep the recipe's.")
    ] = False,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N", help="Train each configuration with N seeds, or with those of a list 1,2."),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=LOW..HIGH[:log]",
            help="Draw a key's value from a range, or of KEY=A|B|C, by optuna; repeatable.",
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(parser=to_count, metavar="N", help="Search until there are so many trials in all.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(parser=to_seconds, metavar="N", help="Begin no further run after so many seconds.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="The search's database; by default SQLite, in the sweep's folder.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Stop a trial early whose dev scores are below the median.")
    ] = True,
    keep_models: Annotated[
        Literal["best", "all", "none"],
        typer.Option(help="Whose models stay: the best configuration's so far, all, or none. Scores always stay."),
    ] = "best",
    data: Annotated[str | None, typer.Option(help="Folder of the tasks' files; 'sample' is the shipped set.")] = None,
    encoder: Annotated[str | None, typer.Option(help="'minilm', a folder, or an id on the hub.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change any key of the recipe; repeatable.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a sweep, or help a process that is at work on it.")
    ] = False,
) -> None:
    """Train a recipe with many values of some keys, over a grid or by search, and compare them in one table.

    Exits with 1 if a run failed; the others are trained all the same.
    """
    from minbert.display.commands import command_line
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.machine.signals import EndedBySignal
    from minbert.sweeping.sweep import run_sweep
    from minbert.training.interrupt import Interrupted

    display = Display(terminal())
    try:
        results = run_sweep(
            recipe,
            recipe_changes(data, encoder),
            settings or [],
            out,
            resume,
            display,
            grid=grid or [],
            one_at_a_time=one_at_a_time,
            seeds=seeds,
            search=search or [],
            trials=trials,
            seconds=seconds,
            storage=storage,
            prune=prune,
            keep=keep_models,
        )
    except (Interrupted, EndedBySignal) as stopped:
        words = [word for word in sys.argv[1:] if word != "--resume"]
        display.note(f"stopped; what has been trained stays. To go on: {command_line(*words, '--resume')}")
        raise typer.Exit(stopped.exit_code) from None
    _print(display, results, out, ranked=bool(search))
    if results.count("failed"):
        raise typer.Exit(1)


def _print(display: Display, results: Results, out: Path, ranked: bool) -> None:
    from rich import box
    from rich.table import Table

    from minbert.display.columns import cells
    from minbert.display.commands import command_line
    from minbert.sweeping.results import BEST, columns, remarks

    rows = results.ranked()[:20] if ranked else results.rows
    shown = columns(results, rows)
    table = Table(
        title=f"dev scores, compared by {results.score}", title_justify="left", box=box.SIMPLE, padding=(0, 1)
    )
    for column in shown:
        # Where there is little room the heading is folded, never a number.
        needed = max((len(column.text(row)) for row in rows), default=0)
        heading = column.heading.replace(".", "\n")
        table.add_column(heading, justify=column.justify, overflow="fold", min_width=needed)
    for row in rows:
        table.add_row(*cells(shown, row), style="bold" if row is results.best else None)
    display.show(table, in_full=not display.console.is_terminal)
    told = remarks(results)
    if failed := results.count("failed"):
        told.append(f"{failed} of the runs failed; {out / 'sweep.md'} says why.")
    if results.unfinished:
        told.append("Another process is at the unfinished ones, or --resume goes on with them.")
    told.append(f"Every row is in {out / 'sweep.csv'}, {out / 'sweep.json'} and {out / 'sweep.md'}.")
    if results.best:
        so_far = " so far" if results.unfinished else ""
        told.append(f"The best recipe{so_far}: {command_line('train', out / BEST)}")
    for text in told:
        display.note(text)
