"""The one way in which commands write plain text: nothing in it moves a terminal."""

from __future__ import annotations

import typer

from minbert.display.harmless import harmless


def echo(text: str, *, err: bool = False, end: bool = True) -> None:
    """Write a text to standard output, or to standard error; ``end`` adds a line feed."""
    typer.echo(harmless(text), err=err, nl=end)
