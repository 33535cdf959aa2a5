"""``minbert data``: looking at files before training, and fetching the public sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minbert.cli.echo import echo
from minbert.cli.options import Force
from minbert.files.paths import to_path

app = typer.Typer(help="Check data files, or download the public sets.", no_args_is_help=True)


@app.command()
def check(
    source: Annotated[str, typer.Argument(metavar="DIR_OR_RECIPE", help="A folder of files, or a recipe.")],
    data: Annotated[str | None, typer.Option(help="Folder of a recipe's files; by default the recipe's own.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Whose tokens to count; by default the recipe's encoder, else 'minilm'.")
    ] = None,
) -> None:
    """Read every file and report all bad rows, label balance, lengths and overlaps; exit 2 if any row is bad.

    Of a folder, say first what its tasks are, as 'minbert new' would.
    """
    from minbert.display.console import terminal
    from minbert.display.progress import Display
    from minbert.running.checking import check_source

    lines, healthy = check_source(source, data, encoder, Display(terminal(stderr=True)))
    echo("\n".join(lines))
    if not healthy:
        raise typer.Exit(2)


@app.command()
def download(
    folder: Annotated[Path, typer.Argument(metavar="DIR", parser=to_path, help="Where the files go.")],
    force: Force = False,
) -> None:
    """Fetch SST-5, Quora and STS-B from the hub, in the course's file format."""
    from minbert.data.download import download as fetch

    for path in fetch(folder, progress=lambda text: echo(text, err=True), force=force):
        echo(str(path))
