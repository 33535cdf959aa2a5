"""``minbert ensemble`` and ``minbert soup``: several runs taken together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from minbert.files.paths import to_path

if TYPE_CHECKING:
    from rich.table import Table

    from minbert.together.ensemble import EnsembleSummary
    from minbert.together.soup import SoupSummary

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", parser=to_path, help="Folders of finished runs.")]
Out = Annotated[Path, typer.Option(parser=to_path, help="The new folder.")]
Data = Annotated[str | None, typer.Option(help="Folder of the files; by default the runs' own.")]


def ensemble(
    runs: Runs,
    out: Out,
    weights: Annotated[
        Literal["uniform", "dev"], typer.Option(help="Equal weights, or weights chosen on dev, a task at a time.")
    ] = "uniform",
    data: Data = None,
) -> None:
    """Average what several runs answer, task by task."""
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.together.ensemble import make_ensemble

    display = Display(terminal())
    summary = make_ensemble(runs, out, weights, data, display)
    display.show(_members(summary))
    if summary.held_out:
        display.show(_held_out(summary))
    display.note(f"The ensemble is in {out}: ensemble.json, metrics.json, predictions.")


def soup(runs: Runs, out: Out, data: Data = None) -> None:
    """Average the weights of several runs into one model, as far as that helps on dev (greedy soup)."""
    from minbert.cli.tables import to_predict
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.run_folder.folder import read_run
    from minbert.together.soup import make_soup

    display = Display(terminal())
    summary = make_soup(runs, out, data, display)
    display.show(_soup(summary))
    if sum(each.taken for each in summary.ingredients) == 1:
        display.note(
            f"No other run made the soup better on dev, so it is the best run alone: {summary.ingredients[0].folder}."
        )
    display.note(f"The soup is in {out}. Next, for example:\n  {to_predict(out, read_run(out))}")


def _members(summary: EnsembleSummary) -> Table:
    from rich.table import Table

    from minbert.tasks.metrics import with_direction
    from minbert.together.members import names_apart

    several = len(summary.metrics) > 1
    table = Table(title="dev scores (and weights)", title_justify="left")
    table.add_column("run")
    for task, metric in summary.metrics.items():
        table.add_column(f"{task}\n{with_direction(metric)}", justify="right")
    if several:
        table.add_column("overall\nmean", justify="right")
    for name, (folder, scores) in zip(names_apart(list(summary.members)), summary.members.items(), strict=True):
        cells = []
        for task in summary.metrics:
            weights = {member.run: member.weight for member in summary.ensemble.tasks[task]}
            score = scores.primary.get(task)
            weight = weights.get(str(folder), 0.0)
            cells.append("" if score is None else f"{score:.3f} ({weight:.2f})")
        if several:
            has_all = len(scores.primary) == len(summary.metrics)
            cells.append(f"{scores.overall['overall']:.3f}" if has_all else "")
        table.add_row(name, *cells)
    table.add_section()
    together = [f"{summary.dev.primary[task]:.3f}" for task in summary.metrics]
    if several:
        together.append(f"{summary.dev.overall['overall']:.3f}")
    table.add_row("ensemble", *together, style="bold")
    return table


def _held_out(summary: EnsembleSummary) -> Table:
    """Return what choosing weights is worth where they were not chosen."""
    from rich.table import Table

    from minbert.tasks.metrics import with_direction

    table = Table(
        title="weights chosen on one half of dev, scored on the other",
        title_justify="left",
        caption="the first table is too optimistic: its weights were chosen on the rows it is scored on",
        caption_justify="left",
    )
    for column in ("task", "metric", "chosen weights", "equal weights"):
        table.add_column(column, justify="left" if column in ("task", "metric") else "right")
    for task, halves in summary.held_out.items():
        chosen = "  ".join(f"{half.chosen:.3f}" for half in halves)
        uniform = "  ".join(f"{half.uniform:.3f}" for half in halves)
        table.add_row(task, with_direction(summary.metrics[task]), chosen, uniform)
    return table


def _soup(summary: SoupSummary) -> Table:
    from rich.table import Table

    from minbert.together.members import names_apart

    table = Table(title=f"dev scores; the runs in order of {summary.select}", title_justify="left")
    table.add_column("weights of")
    for column in (summary.select, *summary.greedy.primary):
        table.add_column(column, justify="right")
    names = names_apart([each.folder for each in summary.ingredients])
    rows = [
        (name + (" (taken)" if each.taken else ""), each.dev)
        for name, each in zip(names, summary.ingredients, strict=True)
    ]
    for number, (name, dev) in enumerate([*rows, ("mean of all", summary.uniform), ("greedy soup", summary.greedy)]):
        if number == len(rows):
            table.add_section()
        shown = [dev.selected(summary.select), *dev.primary.values()]
        table.add_row(name, *(f"{score:.3f}" for score in shown))
    return table
