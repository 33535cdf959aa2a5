"""A load generator for a server on this machine: requests over sockets of our own, in a closed loop or an open one.

In a closed loop so many clients each wait for their answer before they ask again: that finds the capacity. In an open
loop requests come when they come, at random, whether or not the server keeps up: that finds what happens beyond.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_TIMEOUT = 120.0
"""Seconds after which a request counts as lost."""


@dataclass(frozen=True)
class Request:
    """One request, and what is done to it on its way."""

    path: str
    body: bytes
    pieces: int = 1
    """In so many parts the body is sent, ``pause`` seconds apart."""
    pause: float = 0.0
    cut_off: bool = False
    """Whether the client hangs up half-way through the body."""

    @classmethod
    def of(cls, path: str, body: Any, **more: Any) -> Request:
        """Return a request with a body in JSON."""
        return cls(path, json.dumps(body).encode(), **more)

    @property
    def head(self) -> bytes:
        """The lines before the body."""
        lines = [f"POST {self.path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        return ("\r\n".join([*lines, f"Content-Length: {len(self.body)}"]) + "\r\n\r\n").encode()


@dataclass
class Answer:
    """What came of a request; status 0 where nothing came."""

    request: Request
    status: int = 0
    seconds: float = 0.0
    """From when it was due."""
    late: float = 0.0
    """Of these, the seconds until the client itself had sent it."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Client:
    """Keeps connections open and uses them again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[Connection] = []

    async def send(self, request: Request, due: float) -> Answer:
        """Send a request that was due at a time of ``time.perf_counter``; return what came back."""
        answer = Answer(request)
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._exchange(request, answer, due)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # the status stays 0
        answer.seconds = time.perf_counter() - due
        return answer

    async def _exchange(self, request: Request, answer: Answer, due: float) -> None:
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request.head)
            answer.late = time.perf_counter() - due
            size = -(-len(request.body) // request.pieces)
            for start in range(0, len(request.body), size):
                writer.write(request.body[start : start + size])
                if request.cut_off:
                    return
                if request.pieces > 1:
                    await asyncio.sleep(request.pause)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            answer.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            answer.body = await reader.readexactly(int(answer.headers.get("content-length", 0)))
            answer.status = int(head[0].split()[1])
            if answer.headers.get("connection") != "close":
                self.idle.append((reader, writer))
                return
        finally:
            if (reader, writer) not in self.idle:
                writer.close()


async def closed_loop(port: int, requests: Sequence[Request], clients: int) -> tuple[list[Answer], float]:
    """Send all requests, ``clients`` at a time; return the answers in order and the seconds it took."""
    client, left = Client(port), iter(enumerate(requests))
    answers: list[Answer | None] = [None] * len(requests)

    async def one() -> None:
        for number, request in left:
            answers[number] = await client.send(request, time.perf_counter())

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    return [answer for answer in answers if answer is not None], time.perf_counter() - started


async def open_loop(
    port: int, request: Callable[[int], Request], per_second: float, seconds: float, seed: int
) -> list[Answer]:
    """Send requests at random times, so many a second on average; return their answers.

    Latency counts from when a request was due, so a client that falls behind shows it, and says by how much.
    """
    client = Client(port)
    random = np.random.default_rng(seed)
    times = np.cumsum(random.exponential(1 / per_second, size=int(per_second * seconds)))
    started = time.perf_counter()
    sent = []
    for number, at in enumerate(times):
        due = started + at
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        sent.append(asyncio.create_task(client.send(request(number), due)))
    return await asyncio.gather(*sent)


def percentile(answers: Sequence[Answer], share: float) -> float:
    """Return the latency in ms that so many of the answers did not exceed; not a number where there are none."""
    return float(np.percentile([answer.seconds for answer in answers], share) * 1000) if answers else float("nan")


def lateness(answers: Sequence[Answer], share: float) -> float:
    """Return the ms, of its latency, by which so many of the requests at most were sent late by the client."""
    return float(np.percentile([answer.late for answer in answers], share) * 1000) if answers else float("nan")
