"""The one kind of console that minbert prints on: every text is shown as it is, letter for letter."""

from __future__ import annotations

from rich.console import Console


def terminal(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that takes nothing for markup, emoji codes or numbers to colour.

    Class names, paths and texts are the user's own, and ``[neg]`` or ``:x:`` in them are letters like others.
    """
    return Console(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False)
