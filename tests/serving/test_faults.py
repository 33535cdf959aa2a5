"""What goes wrong in one request, or in the model, and whom it concerns: nobody else, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from serving_models import Running, in_this_loop, rows_for, serving, small_model, until
from torch import Tensor

from minbert.multitask.model import MultitaskModel
from minbert.serving import batcher
from minbert.serving.jobs import Job, new_job
from minbert.serving.reading import Piece, Reader
from minbert.serving.service import Service

BAD = "dull"
"""The word that upsets the model, where a test lets it."""


@pytest.fixture
def model(tiny_encoder: Path) -> MultitaskModel:
    return small_model(tiny_encoder)


def upset(model: MultitaskModel, how: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Let ``how`` change the word embeddings (T, hidden) of a batch, given which of its tokens are ``BAD``."""
    [bad] = model.tokenizer.token_ids([BAD])[0]
    word = model.encoder.embeddings.word

    def changed(_: Any, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return how(output, given[0] == bad)

    word.register_forward_hook(changed)


def raises(output: Tensor, bad: Tensor) -> Tensor:
    if bad.any():
        raise RuntimeError("no room for this one")
    return output


def not_a_number(output: Tensor, bad: Tensor) -> Tensor:
    return torch.where(bad[:, None], torch.nan, output)


@pytest.mark.parametrize("how", [raises, not_a_number])
def test_a_bad_item_fails_alone(model: MultitaskModel, how: Callable[[Tensor, Tensor], Tensor]) -> None:
    texts = ["a good film", f"a {BAD} film", "rice"]
    expected = model.predict("mood", texts).probabilities
    assert expected is not None
    upset(model, how)

    async def check() -> None:
        async with in_this_loop(model) as (_, client):
            alone, neighbour, vectors, mixed, both = await asyncio.gather(
                client.post("/v1/predict/mood", json={"inputs": [texts[1]]}),
                client.post("/v1/predict/mood", json={"inputs": [texts[0]]}),
                client.post("/v1/embeddings", json={"input": texts}),
                client.post("/v1/predict/mood", json={"inputs": texts}),
                client.post("/v1/analyze", json={"inputs": texts}),
            )
            assert (alone.status_code, neighbour.status_code, vectors.status_code) == (500, 200, 500)
            assert alone.json()["error"]["code"] == "no_answer"
            assert vectors.json()["error"]["problems"] == [{"input": 1}]
            assert mixed.status_code == both.status_code == 207
            rows = mixed.json()["predictions"]
            assert rows[1]["error"]["code"] == "no_answer" and "prediction" not in rows[1]
            for row in (0, 2):
                assert list(rows[row]["probabilities"].values()) == pytest.approx(expected[row], abs=1e-5)
            told = [{"error" in said for said in row["tasks"].values()} for row in both.json()["analyses"]]
            assert told == [{False}, {True}, {False}]

    asyncio.run(check())


def test_vectors_that_are_all_zero_are_no_answer(model: MultitaskModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = MultitaskModel.pooled

    def zeroed(self: MultitaskModel, batch: Any, *more: Any, **named: Any) -> dict[Any, Tensor]:
        [bad] = self.tokenizer.token_ids([BAD])[0]
        starts = batch.offsets[:-1].tolist()
        has = torch.tensor([bad in part for part in batch.token_ids.tensor_split(starts[1:])])
        return {how: found * ~has[:, None] for how, found in plain(self, batch, *more, **named).items()}

    monkeypatch.setattr(MultitaskModel, "pooled", zeroed)

    async def check() -> None:
        async with in_this_loop(model) as (_, client):
            for path in ("/v1/embeddings", "/embed"):
                key = "input" if "v1" in path else "inputs"
                assert (await client.post(path, json={key: [BAD]})).status_code == 500
                assert (await client.post(path, json={key: ["rice"]})).status_code == 200
            assert (await client.post("/v1/predict/close", json={"inputs": [[BAD, "rice"]]})).status_code == 500

    asyncio.run(check())


def test_a_head_that_fails_concerns_its_own_task_alone(model: MultitaskModel) -> None:
    with torch.no_grad():
        for parameter in model.head("mood").parameters():
            parameter.fill_(torch.nan)

    async def check() -> None:
        async with in_this_loop(model) as (_, client):
            answer = await client.post("/v1/analyze", json={"inputs": ["rice", "why"]})
            assert answer.status_code == 207
            for row in answer.json()["analyses"]:
                assert {task for task, said in row["tasks"].items() if "error" in said} == {"mood"}

    asyncio.run(check())


class Held:
    """Lets a service read nothing until it is let go, and counts what it reads at once."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.begun = threading.Event()
        self.batches: list[int] = []
        plain = service.reader.read

        def held(pieces: Sequence[Piece]) -> None:
            self.begun.set()
            assert self.go.wait(60)
            self.batches.append(len({id(piece.job) for piece in pieces}))
            plain(pieces)

        monkeypatch.setattr(service.reader, "read", held)


def test_whoever_waits_shares_the_next_batch(model: MultitaskModel, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with in_this_loop(model) as (service, client):
            held = Held(service, monkeypatch)
            asked = [asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": ["rice"]}))]
            await until(held.begun.is_set)
            asked += [asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": ["rice"]})) for _ in range(8)]
            await until(lambda: service.batcher.waiting_tokens == 8 * 3)
            held.go.set()
            assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
            assert held.batches == [1, 8]

    asyncio.run(check())


def test_memory_is_given_back_when_nobody_asks_and_after_many_batches(
    model: MultitaskModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[int] = []

    async def check(idle: float, until_tidy: int, asked: int) -> None:
        monkeypatch.setattr(batcher, "_IDLE_SECONDS", idle)
        monkeypatch.setattr(batcher, "_BATCHES_UNTIL_TIDY", until_tidy)
        async with in_this_loop(model) as (_, client):
            for _ in range(asked):
                assert (await client.post("/v1/predict/mood", json={"inputs": ["rice"]})).status_code == 200
                if idle < 1:
                    await until(lambda: len(given_back) == 1)

    monkeypatch.setattr(batcher, "give_back_memory", lambda: given_back.append(1))
    asyncio.run(check(idle=0.01, until_tidy=1000, asked=1))
    assert len(given_back) == 1
    given_back.clear()
    asyncio.run(check(idle=60, until_tidy=3, asked=7))
    assert len(given_back) == 2


def test_a_long_list_holds_up_nobody(model: MultitaskModel, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with in_this_loop(model, batch_tokens=80, waiting_tokens=80) as (service, client):
            held = Held(service, monkeypatch)
            first = asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": ["rice"]}))
            await until(held.begun.is_set)
            texts = [str(text) for text in rows_for(service.model, "mood", 100)]
            long = asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": texts}))
            await until(lambda: service.batcher.waiting_tokens > 400)
            short = asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": ["rice"]}))
            await until(lambda: len(service.batcher._waiting) == 2)
            held.go.set()
            assert [answer.status_code for answer in await asyncio.gather(first, short, long)] == [200] * 3
            assert held.batches[:3] == [1, 2, 1]  # the short one is in the first batch of the long one
            assert len(held.batches) > 5

    asyncio.run(check())


def test_a_full_queue_refuses_before_it_reads_a_body(model: MultitaskModel, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with in_this_loop(model, waiting_tokens=6) as (service, client):
            held = Held(service, monkeypatch)
            asked = []
            for expected in (0, 3, 6):
                asked.append(asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": ["rice"]})))
                await until(
                    lambda expected=expected: held.begun.is_set() and service.batcher.waiting_tokens == expected
                )

            async def never() -> Any:
                raise AssertionError("the body is read")
                yield b""

            refused = await client.post("/v1/predict/mood", content=never(), headers={"Content-Type": "text/plain"})
            assert refused.status_code == 503
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
            assert refused.json()["error"]["code"] == "overloaded"
            assert (await client.get("/readyz")).status_code == 200
            held.go.set()
            assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
            assert 'minbert_refusals_total{reason="overloaded"} 1.0' in (await client.get("/metrics")).text

    asyncio.run(check())


def test_what_a_client_that_has_gone_asked_is_not_read(
    model: MultitaskModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def check(running: Running) -> None:
        service = running.service
        held = Held(service, monkeypatch)
        async with httpx.AsyncClient(base_url=running.url, verify=False, timeout=60) as client:

            def ask(text: str) -> asyncio.Task[httpx.Response]:
                return asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": [text]}))

            first = ask("rice")
            await until(held.begun.is_set)
            goes, stays = ask("a good film"), ask("why")
            await until(lambda: service.batcher.waiting_tokens == 5 + 3)
            goes.cancel()
            await until(lambda: service.batcher.waiting_tokens == 3)
            held.go.set()
            assert [(await answer).status_code for answer in (first, stays)] == [200, 200]
            assert held.batches == [1, 1]
            assert service.batcher.refusal() is None

    with serving(model) as running:
        asyncio.run(check(running))
    statuses = [record.__dict__["told"]["status"] for record in caplog.records if record.msg == "request"]
    assert sorted(statuses) == [200, 200, 499]
    assert running.service.batcher._next_turns == running.service.batcher.waiting_tokens == 0
    assert running.service.held_bytes == 0


def test_answers_of_one_batch_leave_turns_to_others(model: MultitaskModel) -> None:
    async def check() -> None:
        loop = asyncio.get_running_loop()
        jobs = [new_job(model, ["mood"], ["rice"]) for _ in range(20)]
        for job in jobs:
            job.answered = loop.create_future()
        loop.call_soon(batcher._resolve, loop, jobs, None)
        most = done = 0
        while done < len(jobs):
            await asyncio.sleep(0)  # one turn of the loop
            now = sum(job.answered is not None and job.answered.done() for job in jobs)
            most, done = max(most, now - done), now
        assert most == 4

    asyncio.run(check())


def test_when_the_inference_thread_dies_all_are_told(model: MultitaskModel, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with in_this_loop(model) as (service, client):
            begun, end = threading.Event(), threading.Event()

            def dies(_: Sequence[Piece]) -> None:
                begun.set()
                end.wait(60)
                raise SystemExit

            monkeypatch.setattr(service.reader, "read", dies)
            asked = [asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": ["rice"]}))]
            await until(begun.is_set)
            asked += [asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": ["rice"]})) for _ in range(6)]
            await until(lambda: service.batcher.waiting_tokens == 6 * 3)
            assert (await client.get("/readyz")).status_code == 200
            end.set()
            answers = await asyncio.gather(*asked)
            assert {answer.status_code for answer in answers} == {503}
            assert {answer.json()["error"]["code"] for answer in answers} == {"model_failed"}
            for path in ("/readyz", "/healthz", "/v2/health/live", "/v2/health/ready"):
                assert (await client.get(path)).status_code == 503
            assert (await client.post("/v1/analyze", json={"inputs": ["rice"]})).status_code == 503
            assert service.batcher.died

    asyncio.run(check())


def test_sigterm_takes_readiness_away_first_and_loses_nobody(
    model: MultitaskModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check(running: Running) -> None:
        held = Held(running.service, monkeypatch)
        async with httpx.AsyncClient(base_url=running.url, verify=False, timeout=60) as client:

            def ask() -> asyncio.Task[httpx.Response]:
                return asyncio.create_task(client.post("/v1/predict/mood", json={"inputs": ["rice"]}))

            asked = [ask()]
            await until(held.begun.is_set)
            asked += [ask() for _ in range(63)]
            await until(lambda: running.service.batcher.waiting_tokens == 63 * 3)
            running.server.handle_exit(signal.SIGTERM, None)
            assert (await client.get("/readyz")).json()["error"]["code"] == "stopping"
            assert (await client.get("/healthz")).status_code == 200
            late = ask()  # balancers may not have looked yet
            await until(lambda: running.service.batcher.waiting_tokens == 64 * 3)
            held.go.set()
            assert [answer.status_code for answer in await asyncio.gather(*asked, late)] == [200] * 65

    with serving(model) as running:
        asyncio.run(check(running))
        running.thread.join(60)
        assert not running.thread.is_alive()


def test_neither_logs_nor_errors_tell_a_text(model: MultitaskModel, caplog: pytest.LogCaptureFixture) -> None:
    secret = "Marmelade"
    upset(model, raises)
    caplog.set_level(logging.DEBUG)

    async def check() -> list[httpx.Response]:
        async with in_this_loop(model) as (_, client):
            bodies: list[Any] = [
                {"inputs": [f"{secret} {BAD}"]},
                {"inputs": [secret * 50]},
                {"inputs": [f"{secret} " * 50]},
                {"inputs": [[secret, secret, secret]]},
                {"inputs": {secret: secret}},
                {secret: [secret]},
                {"inputs": [f"{secret}\ud800"]},
                secret,
                [secret],
            ]
            asked = [client.post("/v1/predict/mood", content=json.dumps(body), headers=JSON) for body in bodies]
            asked += [client.post(f"/v1/predict/{secret}", json={"inputs": ["rice"]})]
            asked += [client.post("/v1/embeddings", json={"input": "rice", "model": secret})]
            asked += [client.post("/v1/predict/mood", content=f'{{"inputs": ["{secret}"', headers=JSON)]
            asked += [client.post(f"/{secret}", json=secret)]
            return await asyncio.gather(*asked)

    answers = asyncio.run(check())
    assert {answer.status_code for answer in answers} >= {200, 400, 404, 422, 500}
    assert not [answer.text for answer in answers if secret in answer.text]
    lines = [
        json.dumps([record.getMessage(), record.__dict__.get("told")])
        for record in caplog.records
        if record.name != "httpx"
    ]
    assert any("item failed" in line for line in lines) and any('"status": 422' in line for line in lines)
    assert not [line for line in lines if secret in line]


JSON = {"Content-Type": "application/json"}


def test_a_job_gives_out_its_sequences_once_in_parts_of_a_size(model: MultitaskModel) -> None:
    job: Job = new_job(model, ["akin", "close"], [("a good film", "rice"), ("a good film", "why do people learn")])
    given = []
    while job.waiting_tokens:
        part = job.take(14)
        assert job.tokens_of(part) <= 14 or len(part) == 1
        given += part
    assert given == list(range(5))  # three texts, and two pairs joined
    assert job.tokens == 5 + 3 + 6 + 7 + 10


def test_the_reader_leaves_the_gradients_of_others_alone(model: MultitaskModel) -> None:
    Reader(model, "fp32").read([Piece(job := new_job(model, [None], ["rice"]), job.take(99))])
    assert torch.is_grad_enabled() and not next(iter(job.vectors.values())).requires_grad
