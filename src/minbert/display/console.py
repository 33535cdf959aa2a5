"""The one kind of console that minbert prints on: every text is shown as it is, letter for letter."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import IO, cast

from rich.console import Console
from rich.segment import Segment

from minbert.display.harmless import harmless
from minbert.display.streams import Steady


class _Console(Console):
    """Sends a terminal no command but its own: texts pass here, whatever they stand in, apart from colours."""

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(
            segment if segment.control else segment._replace(text=harmless(segment.text)) for segment in buffer
        )


def terminal(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Return a console that takes nothing for markup, emoji codes or numbers to colour.

    Class names, paths and texts are the user's own, and ``[neg]`` or ``:x:`` in them are letters like others. Control
    characters are shown (see ``harmless``). A stream that breaks ends no work (see ``Steady``).
    """
    stream = cast("IO[str]", Steady(sys.stderr if stderr else sys.stdout))
    return _Console(file=stream, quiet=quiet, markup=False, emoji=False, highlight=False)
