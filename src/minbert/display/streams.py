"""Standard output and error as they come: closed, full, without a reader, or of an encoding that lacks letters."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO


def open_streams() -> None:
    """Make both streams writable in any process: one that is closed swallows all, no text is too strange for them.

    A letter that the stream's encoding lacks is written by its number, as ``\\u4f60``.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed when the process began
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  (for as long as we run)
            setattr(sys, name, nowhere)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_broken(stream: TextIO) -> bool:
    """Return whether a stream can take no more: its disk is full, or its reader has gone. Writes an empty line."""
    try:
        stream.write("\n")
        stream.flush()
    except OSError:
        return True
    return False


def give_up(stream: TextIO) -> None:
    """Let all that waits to be written to ``stream``, and all that comes, go nowhere."""
    with suppress(OSError):  # no stream of the system's
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class Steady(io.TextIOBase):
    """A stream for what a person may watch: when it breaks, standard error says so once, and the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._broken = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's."""
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write ``text`` if that can still be done; return its length."""
        if not self._broken:
            try:
                self._stream.write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Write what waits if that can still be done."""
        if not self._broken:
            try:
                self._stream.flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._broken = True
        give_up(self._stream)
        with suppress(OSError):
            print(f"the output can no longer be written ({error.strerror}); the work goes on", file=sys.stderr)
