"""What is noted of a request while it is answered, for the log and the metrics. No texts."""

from __future__ import annotations

import random
import re
from contextvars import ContextVar
from dataclasses import dataclass, field

from minbert.serving.jobs import Job

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")


@dataclass(slots=True)
class Trace:
    """The trace a request belongs to, and our own span in it (W3C Trace Context)."""

    trace_id: str = field(default_factory=lambda: f"{random.getrandbits(128) or 1:032x}")
    span_id: str = field(default_factory=lambda: f"{random.getrandbits(64) or 1:016x}")
    flags: str = "00"

    @classmethod
    def continued(cls, traceparent: str) -> Trace:
        """Return our span in the caller's trace; in a new one where the header is missing or malformed."""
        found = _TRACEPARENT.fullmatch(traceparent)
        return cls(trace_id=found[1], flags=found[2]) if found else cls()

    @property
    def header(self) -> str:
        """The value of ``traceparent``."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


@dataclass(slots=True)
class Notes:
    """One request: what it asked and what that took."""

    task: str = ""
    """The model's task it asked; empty for none in particular."""
    rows: int = 0
    tokens: int = 0
    cut: int = 0
    """Sequences that were cut."""
    code: str = ""
    """Of the refusal, if it was refused."""
    queue_seconds: float | None = None
    inference_seconds: float | None = None

    def answered(self, jobs: list[Job]) -> None:
        """Note what the jobs of the request took."""
        self.tokens = sum(job.tokens for job in jobs)
        self.queue_seconds = max(job.started_at - job.queued_at for job in jobs)
        self.inference_seconds = max(job.ended_at - job.started_at for job in jobs)


noted: ContextVar[Notes] = ContextVar("noted")
"""The notes of the request that is being answered."""
