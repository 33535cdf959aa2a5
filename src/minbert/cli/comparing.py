"""``minbert compare``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from minbert.cli.options import Force
from minbert.files.paths import to_path


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", parser=to_path, help="Folders of finished runs, or of a sweep or reproduction."
        ),
    ],
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Compare with this folder or system; by default the first that has several tasks.",
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", parser=to_path, help="Write everything there as JSON.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", parser=to_path, help="Write a line a score there as CSV.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", parser=to_path, help="Write the table there as Markdown.")
    ] = None,
    force: Force = False,
) -> None:
    """Tell which run is better at what, and how sure that is.

    Intervals, a paired test of every difference to the baseline and to each task trained alone, and what they show.
    Runs of one recipe that differ in their seeds are taken together; an ensemble stands by itself.
    """
    from rich.text import Text

    from minbert.cli import tables
    from minbert.comparing.compare import compare as compare_runs
    from minbert.comparing.tables import as_csv, remarks, sentences
    from minbert.comparing.tables import markdown as as_markdown
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.files import write_json, write_text
    from minbert.files.outputs import new_file

    display = Display(terminal())
    with ExitStack() as held:
        for path, suffix in ((json, ".json"), (csv, ".csv"), (markdown, ".md")):
            if path is not None:
                held.enter_context(new_file(path, runs, force=force, suffixes=[suffix]))
        comparison = compare_runs(runs, baseline, display)
        for table in tables.comparison(comparison):
            display.show(table)
        for system, parts in sentences(comparison).items():
            display.note(Text.assemble((system, "bold"), f": {'; '.join(parts)}."))
        for remark in remarks(comparison):
            display.note(Text(remark, style="dim"))
        if json is not None:
            write_json(json, comparison.as_json())
        for path, written in ((csv, as_csv), (markdown, as_markdown)):
            if path is not None:
                write_text(path, written(comparison))
