"""Ctrl-C and SIGTERM end a command alike: by an exception, so that what is half written is removed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None
"""What ``signal.signal`` takes and returns."""

ASK_TO_END = (signal.SIGINT, signal.SIGTERM)
"""The signals by which a terminal, a launcher or a system asks a process to end."""


class EndedBySignal(BaseException):
    """A signal asks the process to end. No ``Exception``, so that nothing that goes on after one goes on after this."""

    def __init__(self, number: int) -> None:
        self.exit_code = exit_code(number)
        super().__init__(f"ended by {'Ctrl-C' if number == signal.SIGINT else signal.Signals(number).name}")


def exit_code(number: int) -> int:
    """Return what a command exits with that a signal has ended, as shells and systems have it: 130, or 143."""
    return 128 + number


def is_main_thread() -> bool:
    """Return whether Python hands signals to this thread."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def ending_by_signals() -> Iterator[None]:
    """Raise ``EndedBySignal`` out of the body when the first signal asks to end.

    An error that the body raises from then on becomes that: a library may answer the signal with one of its own.
    A second one of the same name ends the process at once, whatever that leaves. One of the other name changes nothing:
    a launcher may send SIGTERM where a terminal has sent SIGINT. What the process was begun to ignore stays ignored.
    """
    if not is_main_thread():
        yield
        return
    ended: EndedBySignal | None = None

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal ended
        signal.signal(number, signal.SIG_DFL)
        if ended is None:
            ended = EndedBySignal(number)
            raise ended

    heeded = {number: before for number in ASK_TO_END if (before := signal.getsignal(number)) != signal.SIG_IGN}
    for number in heeded:
        signal.signal(number, end)
    try:
        yield
    except Exception as error:
        if ended is None:
            raise
        raise ended from error
    finally:
        for number, before in heeded.items():
            if signal.getsignal(number) != signal.SIG_IGN:  # a rank that has lost another heeds none any more
                signal.signal(number, before)
