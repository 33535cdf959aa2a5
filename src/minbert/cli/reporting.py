"""``minbert report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minbert.cli.options import Force
from minbert.files.paths import to_path


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN|DIR...", parser=to_path, help="Folders of runs, or that hold runs, a sweep, a reproduction."
        ),
    ],
    out: Annotated[Path, typer.Option(parser=to_path, help="The page; a report that is there is replaced.")] = Path(
        "report.html"
    ),
    figures: Annotated[
        Path | None,
        typer.Option(
            parser=to_path, help="Folder of the figures as SVG and PNG; by default beside the page, called by it."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Write one page on what was run and what came of it: scores, figures, worst errors, cost."""
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.reporting.report import write_report

    display = Display(terminal())
    with display.waiting("drawing"):
        summary = write_report(runs, out, figures, force)
    for line in summary.left_out:
        display.note(f"left out: {line}")
    figures_are = f" Its {summary.figure_count} figures are in {summary.figures} as SVG and PNG."
    display.note(f"The report is {summary.page}." + figures_are * bool(summary.figure_count))
