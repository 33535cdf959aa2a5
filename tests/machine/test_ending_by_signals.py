"""The first signal ends the body by one exception, whatever the body makes of it."""

from __future__ import annotations

import signal

import pytest

from command_line import send_signal
from minbert.machine.signals import ASK_TO_END, EndedBySignal, ending_by_signals


@pytest.mark.parametrize("number", ASK_TO_END)
def test_an_error_that_answers_the_signal_is_the_signal(number: signal.Signals) -> None:
    with pytest.raises(EndedBySignal) as ended, ending_by_signals():
        try:
            send_signal(number)
        except EndedBySignal:
            raise ImportError("a library's own words") from None
    assert ended.value.exit_code == 128 + number
    assert isinstance(ended.value.__cause__, ImportError)


def test_an_error_without_a_signal_stays_what_it_is() -> None:
    with pytest.raises(ImportError), ending_by_signals():
        raise ImportError("a library's own words")


def test_an_exit_after_the_signal_stays_an_exit() -> None:
    """So end the ranks whose message another rank prints."""
    with pytest.raises(SystemExit) as ended, ending_by_signals():
        try:
            send_signal(signal.SIGTERM)
        except EndedBySignal as signalled:
            raise SystemExit(signalled.exit_code) from None
    assert ended.value.code == 143


def test_handlers_are_as_before_once_the_body_has_ended() -> None:
    before = [signal.getsignal(number) for number in ASK_TO_END]
    with pytest.raises(EndedBySignal), ending_by_signals():
        send_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in ASK_TO_END] == before
