"""The batcher: a bounded queue of jobs, and the one thread that runs the model over them.

A batch starts as soon as the model is idle and a job waits. Nobody waits for company: while one batch runs, the next
one fills up.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from minbert.machine.allocator import give_back_memory
from minbert.serving.jobs import Job
from minbert.serving.limits import Limits
from minbert.serving.logs import told
from minbert.serving.reading import Piece, Reader
from minbert.serving.refusals import RefusalError, model_failed, overloaded, stopping

_log = logging.getLogger(__name__)

_TURNS = 8
"""A batch has room for so many long turns: of a job of thousands of texts it takes one, and small jobs beside it."""
_ANSWERED_AT_ONCE = 4
"""Writing an answer takes about 0.5 ms. All of a batch's at once would hold up for 100 ms whoever asks meanwhile."""
_NICE = 10
"""How much nicer the inference thread is: the event loop has nine tenths of a core that both want."""
_BATCHES_UNTIL_TIDY = 32
_IDLE_SECONDS = 1.0
"""Memory that batches have left in pieces is given back after so many of them, or when nobody has asked for so long."""
_SMOOTHED = 0.8
"""How much the rate of the last batches counts beside that of the newest."""


class Batcher:
    """Answers jobs in packed batches, each of as many tokens as the limits say, on a thread of its own."""

    def __init__(self, reader: Reader, limits: Limits, seen: Callable[[int], None] = lambda tokens: None) -> None:  # noqa: ARG005
        """Make a batcher; ``seen`` is told each batch's tokens, on the batcher's thread."""
        self.waiting_tokens = 0
        """How many tokens wait to be read."""
        self._next_turns = 0
        """How many of them are to be read with their jobs' next turns."""
        self._reader = reader
        self._limits = limits
        self._seen = seen
        self._waiting: deque[Job] = deque()
        self._unanswered: set[Job] = set()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = self._dead = False
        self._tokens_per_second = 0.0
        self._untidy = 0
        """How many batches have been read since memory was given back."""

    def start(self) -> None:
        """Start the thread; answers go to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    @property
    def died(self) -> bool:
        """Whether the thread has ended by an error."""
        return self._dead and not self._stopping

    def refusal(self) -> RefusalError | None:
        """Return why no job is taken now; None where one is."""
        if self._dead or not self._thread.is_alive():
            return model_failed()
        if self._stopping:
            return stopping()
        if self._next_turns < self._limits.waiting_tokens:
            return None
        seconds = self.waiting_tokens / self._tokens_per_second if self._tokens_per_second else 1.0
        return overloaded(math.ceil(min(max(seconds, 1.0), 60.0)))

    async def answer(self, jobs: Sequence[Job]) -> None:
        """Wait until ``jobs`` are answered; they may share a batch. Whoever is cancelled meanwhile takes them back.

        Raises:
            RefusalError: the queue is full, the server stops, or the thread has ended.
        """
        futures = []
        with self._changed:  # the thread ends with this lock in its hands, so it sees each job or the job sees its end
            if refused := self.refusal():
                raise refused
            for job in jobs:
                job.answered = asyncio.get_running_loop().create_future()
                job.queued_at = time.perf_counter()
                futures.append(job.answered)
                self.waiting_tokens += job.tokens
                self._next_turns += self._turn(job)
            self._unanswered.update(jobs)
            self._waiting.extend(jobs)
            self._changed.notify()
        try:
            for future in futures:
                await future
        except asyncio.CancelledError:
            self._drop(jobs)
            raise

    def _drop(self, jobs: Sequence[Job]) -> None:
        """Leave unread what still waits of some jobs."""
        with self._changed:
            self._unanswered.difference_update(jobs)
            for job in jobs:
                if job in self._waiting:
                    self._waiting.remove(job)
                    self.waiting_tokens -= job.waiting_tokens
                    self._next_turns -= self._turn(job)

    def stop(self) -> None:
        """Take no more jobs, answer those that wait, and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        """Answer jobs until told to stop; however this ends, nobody waits for ever."""
        try:
            _give_way()
            while pieces := self._next():
                self._answer_batch(pieces)
                self._tidy()
        except BaseException as error:
            told(_log, "inference thread died", error=error)
        finally:
            with self._changed:
                self._dead = True
                self._waiting.clear()
                self.waiting_tokens = self._next_turns = 0
                left = list(self._unanswered)
            self._tell(left, model_failed())

    def _tidy(self) -> None:
        """Give memory back, if it is time."""
        self._untidy += 1
        if self._untidy < _BATCHES_UNTIL_TIDY:
            with self._changed:
                if self._changed.wait_for(self._is_wanted, _IDLE_SECONDS):
                    return
        give_back_memory()
        self._untidy = 0

    def _is_wanted(self) -> bool:
        return bool(self._waiting) or self._stopping

    def _next(self) -> list[Piece]:
        """Return the next batch, once there is one; nothing when it is time to stop.

        Jobs take turns, each with a part of the batch. Whoever came first is first.
        """
        with self._changed:
            self._changed.wait_for(self._is_wanted)
            units: dict[Job, range] = {}
            room = self._limits.batch_tokens
            while self._waiting and room > 0:
                job = self._waiting.popleft()
                turn = self._turn(job)
                given = job.take(min(turn, room))
                units[job] = range(units.get(job, given).start, given.stop)
                room -= job.tokens_of(given)
                self.waiting_tokens -= job.tokens_of(given)
                self._next_turns += self._turn(job) - turn
                if job.waiting_tokens:
                    self._waiting.append(job)
            return [Piece(*piece) for piece in units.items()]

    def _turn(self, job: Job) -> int:
        """Return how many of a job's tokens are read with its next turn, about."""
        longest = max(self._limits.batch_tokens // _TURNS, job.sequences.max_length)
        return min(longest, job.waiting_tokens)

    def _answer_batch(self, pieces: Sequence[Piece]) -> None:
        started = time.perf_counter()
        for piece in pieces:
            if not piece.units.start:
                piece.job.started_at = started
        self._reader.read(pieces)
        complete = [piece.job for piece in pieces if piece.job.done == len(piece.job.units)]
        self._reader.answer(complete)
        ended = time.perf_counter()
        for job in complete:
            job.ended_at = ended
        tokens = sum(piece.tokens for piece in pieces)
        rate = tokens / (ended - started)
        self._tokens_per_second = _SMOOTHED * (self._tokens_per_second or rate) + (1 - _SMOOTHED) * rate
        self._seen(tokens)
        self._tell(complete, None)

    def _tell(self, jobs: Sequence[Job], refused: RefusalError | None) -> None:
        """Hand answered jobs back to the event loop, or the refusal that is their answer."""
        with self._changed:
            self._unanswered.difference_update(jobs)
        assert self._loop is not None
        if jobs:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                self._loop.call_soon_threadsafe(_resolve, self._loop, jobs, refused)


def _give_way() -> None:
    """Let the event loop go first where it and the model want the same core.

    At three times the load that one core can bear, 99 % of the refusals then come three times as fast. No work is lost.
    """
    if sys.platform == "linux":  # elsewhere this would be asked of the whole process
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + _NICE, 19))


def _resolve(loop: asyncio.AbstractEventLoop, jobs: Sequence[Job], refused: RefusalError | None) -> None:
    """Give jobs their answers, a few in each turn of the event loop: what comes meanwhile is heard in between."""
    if len(jobs) > _ANSWERED_AT_ONCE:
        loop.call_soon(_resolve, loop, jobs[_ANSWERED_AT_ONCE:], refused)
    for job in jobs[:_ANSWERED_AT_ONCE]:
        assert job.answered is not None
        if job.answered.done():  # whoever asked has gone
            continue
        if refused is None:
            job.answered.set_result(None)
        else:
            job.answered.set_exception(refused)
