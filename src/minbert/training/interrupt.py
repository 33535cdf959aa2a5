"""Ctrl-C and SIGTERM that let the step in hand finish, so that what is saved is whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from minbert.machine.ranks import ranks
from minbert.machine.signals import ASK_TO_END, Handler, exit_code, is_main_thread


class Interrupted(Exception):  # noqa: N818  (a request, not an error)
    """The user asked the run to stop; its state has been saved."""

    def __init__(self, text: str = "stopped", number: int | None = None) -> None:
        """Say what was saved; ``number`` is that of the signal, None where it is not known: another rank has had it."""
        super().__init__(text)
        self.exit_code = exit_code(number or signal.SIGINT)
        """What a command exits with that ends by this."""


class StopRequest:
    """Whether somebody has asked a run to stop."""

    def __init__(self) -> None:
        self.signal: int | None = None
        """By which signal, if by any."""
        self._before: dict[int, Handler] = {}
        self._breaks_off = False

    @property
    def made(self) -> bool:
        """Whether it has been asked for, as far as this rank knows."""
        return self.signal is not None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the first SIGINT and the first SIGTERM as a request until the body ends.

        A second one does what it would have done before: it ends the command. A second one is one of the same name:
        torchrun sends SIGTERM after a terminal's SIGINT. Outside the main thread, where Python takes no signals, the
        request is never made.
        """
        if not is_main_thread():
            yield
            return
        self._before = {number: signal.signal(number, self._ask) for number in ASK_TO_END}
        try:
            yield
        finally:
            for number, handler in self._before.items():
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
            raise self.interrupted("stopped")

    def interrupted(self, text: str) -> Interrupted:
        """Return what to raise where the run stops; ``text`` says what was saved."""
        return Interrupted(text, self.signal)

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        signal.signal(number, self._before[number])
        self.signal = self.signal or number
        self._obey()

    def _obey(self) -> None:
        if self.made and self._breaks_off:
            raise self.interrupted("stopped")
