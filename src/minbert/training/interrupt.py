"""Ctrl-C and SIGTERM that let the step in hand finish, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from minbert.machine.ranks import ranks


class Interrupted(Exception):  # noqa: N818  (a request, not an error)
    """The user asked the run to stop; its state has been saved."""


class StopRequest:
    """Whether somebody has asked a run to stop."""

    def __init__(self) -> None:
        self.made = False
        self._breaks_off = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the first SIGINT and the first SIGTERM as a request until the body ends; a second one ends the process.

        A second one is one of the same name: torchrun sends SIGTERM after a terminal's SIGINT. Outside the main thread,
        where Python takes no signals, the request is never made.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """Have a request, also one that was made before, break off the body: it must leave nothing half changed.

        Of several ranks none breaks off by itself, for the others would wait for it: see ``break_off_together``.

        Raises:
            Interrupted: out of the body.
        """
        self._breaks_off = ranks().alone
        try:
            self._obey()
            yield
        finally:
            self._breaks_off = False

    def break_off_together(self) -> None:
        """Break off on all of several ranks where a request was made on any.

        Raises:
            Interrupted: one was made.
        """
        if not ranks().alone and any(ranks().collect(self.made)):
            raise Interrupted("stopped")

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        self.made = True
        self._obey()

    def _obey(self) -> None:
        if self.made and self._breaks_off:
            raise Interrupted("stopped")
