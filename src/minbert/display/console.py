"""The one kind of console that minbert prints on: every text is shown as it is, letter for letter."""

from __future__ import annotations

import sys
from typing import IO, cast

from rich.console import Console

from minbert.display.streams import Steady


def terminal(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that takes nothing for markup, emoji codes or numbers to colour.

    Class names, paths and texts are the user's own, and ``[neg]`` or ``:x:`` in them are letters like others. A stream
    that breaks ends no work (see ``Steady``).
    """
    stream = cast("IO[str]", Steady(sys.stderr if stderr else sys.stdout))
    return Console(file=stream, quiet=quiet, markup=False, emoji=False, highlight=False)
