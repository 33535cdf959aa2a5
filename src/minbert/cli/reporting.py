"""``minbert report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN|DIR...", help="Folders of runs, or that hold runs, a sweep, a reproduction."),
    ],
    out: Annotated[Path, typer.Option(help="The page; a report that is there is replaced.")] = Path("report.html"),
    figures: Annotated[
        Path | None,
        typer.Option(help="Folder of the figures as SVG and PNG; by default beside the page, called by it."),
    ] = None,
) -> None:
    """Write one page on what was run and what came of it: scores, figures, worst errors, cost."""
    from rich.console import Console

    from minbert.reporting.report import write_report

    console = Console()
    with console.status("drawing"):
        summary = write_report(runs, out, figures)
    for line in summary.left_out:
        console.print(f"left out: {line}", soft_wrap=True, highlight=False, markup=False)
    console.print(
        f"The report is {summary.page}; its {summary.figure_count} figures are in {summary.figures} as SVG and PNG.",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
