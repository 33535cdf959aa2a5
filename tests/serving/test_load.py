"""The load generator of benchmarks/serving.py counts what happens, and a rush finds the door open. Nothing is timed."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from pathlib import Path

import pytest
import uvloop
from serving_models import TASKS, serving, small_model

from faults import mixed_requests, wrong_answers
from load import Answer, Request, closed_loop, open_loop, percentile
from minbert.multitask.model import MultitaskModel
from minbert.serving.server import _listening, bound_socket

NAMES = {"predict": TASKS["mood"], "cross": TASKS["same"]}


@pytest.fixture(scope="module")
def model(tiny_encoder: Path) -> MultitaskModel:
    return small_model(tiny_encoder, NAMES)


def test_good_requests_among_bad_ones_are_answered_as_the_model_answers(model: MultitaskModel) -> None:
    requests, expected = mixed_requests(model, ["a good film", "why do people cook", "rice", "cold days"], 120, seed=1)
    assert sum(numbers is None for numbers in expected) == 12
    with serving(model) as running:
        port = int(running.url.rpartition(":")[2])
        answers, _ = asyncio.run(closed_loop(port, requests, 8))
        assert [answer.request for answer in answers] == requests
        assert wrong_answers(answers, expected) == 0
        assert {answer.status for answer, numbers in zip(answers, expected, strict=True) if numbers} == {200}
        assert 200 not in {answer.status for answer, numbers in zip(answers, expected, strict=True) if not numbers}
        come = asyncio.run(open_loop(port, lambda number: requests[number % 120], 200, 0.2, seed=2))
        assert Counter(answer.status for answer in come)[200] > 20
        assert all(0 < answer.late < answer.seconds for answer in come)
    with_faults = [Answer(requests[0]), *answers[1:]]
    assert wrong_answers(with_faults, [[0.5], *expected[1:]]) == 1
    assert percentile([Answer(requests[0], seconds=second) for second in (1, 2, 3)], 50) == 2000


def test_a_rush_of_connections_is_let_in_within_few_turns_of_the_loop() -> None:
    made: list[asyncio.BaseTransport] = []

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)

    async def turns() -> int:
        loop = asyncio.get_running_loop()
        listening = _listening(bound)
        for each in listening:
            await loop.create_server(Counting, sock=each)
        clients = [socket.create_connection(bound.getsockname()) for _ in range(64)]
        taken = 0
        while len(made) < len(clients):
            taken += 1
            await asyncio.sleep(0)
        for client in clients:
            client.close()
        return taken

    bound = bound_socket("127.0.0.1", 0)
    assert uvloop.run(turns()) < 10  # one connection in a turn would be 64


def test_a_server_that_is_gone_loses_requests() -> None:
    answers, _ = asyncio.run(closed_loop(9, [Request.of("/v1/analyze", {"inputs": ["rice"]})], 1))
    assert [answer.status for answer in answers] == [0]
