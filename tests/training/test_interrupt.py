"""The first signal is a request, the second of its name the end."""

from __future__ import annotations

import signal
import threading

import pytest

from minbert.training.interrupt import Interrupted, StopRequest

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_a_request_and_the_second_ends_the_process(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in NUMBERS}
    stop, [other] = StopRequest(), [each for each in NUMBERS if each != number]
    with stop.listening():
        assert not stop.made
        signal.raise_signal(number)
        assert stop.made
        ends = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        assert signal.getsignal(number) == ends[number]
        signal.raise_signal(other)  # torchrun sends SIGTERM where a terminal has sent SIGINT: no second wish
        assert signal.getsignal(other) == ends[other]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert {each: signal.getsignal(each) for each in NUMBERS} == before


def test_a_request_breaks_off_what_may_be_broken_off_and_nothing_else() -> None:
    stop, reached = StopRequest(), []
    with stop.listening():
        with stop.breaking_off():
            reached.append("without a request")
        with pytest.raises(Interrupted), stop.breaking_off():
            signal.raise_signal(signal.SIGTERM)
            reached.append("never")
        reached.append("after it")
        with pytest.raises(Interrupted), stop.breaking_off():
            reached.append("never")
    assert reached == ["without a request", "after it"]


def test_a_thread_that_python_sends_no_signals_trains_all_the_same() -> None:
    entered = []

    def work() -> None:
        with StopRequest().listening():
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]
