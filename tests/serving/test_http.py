"""What is on the wire: bodies in pieces, too large, slow or cut off; headers, traces, counters, the page's rules."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_models import Running, in_this_loop, serving, small_model, until

from minbert.multitask.model import MultitaskModel
from minbert.serving.notes import Trace

JSON = {"Content-Type": "application/json"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def model(tiny_encoder: Path) -> MultitaskModel:
    return small_model(tiny_encoder)


@pytest.fixture(scope="module")
def running(model: MultitaskModel) -> Iterator[Running]:
    with serving(model, body_bytes=1000, all_bodies_bytes=3000, body_seconds=0.3) as server:
        yield server


def pieces(size: int, count: int) -> Iterator[bytes]:
    yield b'{"inputs": ["rice"], "truncate": false'
    for _ in range(count):
        yield b" " * size
    yield b"}"


def test_bodies_in_pieces_are_read_whole_and_no_further_than_the_limit(running: Running) -> None:
    with running.client() as client:
        fine = client.post("/v1/predict/mood", content=pieces(100, 9), headers=JSON)
        assert fine.status_code == 200 and fine.request.headers["Transfer-Encoding"] == "chunked"
        large = client.post("/v1/predict/mood", content=pieces(100, 10), headers=JSON)
        assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")
        told = client.post("/v1/predict/mood", content=b" " * 1001, headers=JSON)
        assert (told.status_code, told.headers["Connection"]) == (413, "close")


def test_a_body_that_comes_too_slowly_or_not_at_all_concerns_nobody(running: Running) -> None:
    host, port = running.url.removeprefix("http://").split(":")
    head = "POST /v1/predict/mood HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    with socket.create_connection((host, int(port))) as slow, socket.create_connection((host, int(port))) as gone:
        slow.sendall(f'{head}{{"inputs": ['.encode())
        gone.sendall(f'{head}{{"inputs": ['.encode())
        gone.close()
        assert running.post("/v1/predict/mood", {"inputs": ["rice"]}).status_code == 200
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_all_bodies_together_have_a_limit(model: MultitaskModel) -> None:
    async def check() -> None:
        async with in_this_loop(model, all_bodies_bytes=100) as (service, client):
            go = asyncio.Event()

            async def half() -> object:
                yield b'{"inputs": ["rice"]' + b" " * 80
                await go.wait()
                yield b"}"

            first = asyncio.create_task(client.post("/v1/predict/mood", content=half(), headers=JSON))
            await until(lambda: service.held_bytes)
            second = await client.post("/v1/predict/mood", json={"inputs": ["rice"]})
            assert (second.status_code, second.json()["error"]["code"]) == (503, "overloaded")
            go.set()
            assert (await first).status_code == 200
            assert service.held_bytes == 0

    asyncio.run(check())


def test_the_callers_trace_goes_on(running: Running) -> None:
    with running.client() as client:
        answer = client.get("/readyz", headers={"traceparent": TRACE}).headers["traceparent"]
        version, trace, span, flags = answer.split("-")
        assert (version, trace, flags) == ("00", TRACE.split("-")[1], "01") and span != TRACE.split("-")[2]
        for bad in ("", "nothing", TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), f"ff{TRACE[2:]}"):
            new = client.get("/readyz", headers={"traceparent": bad}).headers["traceparent"]
            assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", new) and trace not in new
    assert Trace.continued(f"01{TRACE[2:]}-more").trace_id == trace


def test_what_is_counted_has_bounded_labels(running: Running) -> None:
    with running.client() as client:
        for number in range(5):
            client.get(f"/nowhere-{number}")
            client.post(f"/v1/predict/nothing-{number}", json={"inputs": ["rice"]})
        client.post("/v1/predict/mood", json={"inputs": ["rice", "why"]})
        page = client.get("/metrics").text
    labels = {
        name: set(re.findall(rf'^minbert_\w+{{[^}}]*\b{name}="([^"]*)"', page, flags=re.MULTILINE))
        for name in ("route", "task", "code", "reason")
    }
    assert labels["route"] <= {"none", "/readyz", "/v1/predict/{task}", "/metrics"}
    assert labels["task"] == {"", "mood"}
    assert labels["code"] <= {"200", "404", "408", "413", "499"}
    assert {"not_found", "task_not_found"} <= labels["reason"]
    for name in ("request", "queue", "inference"):
        count = rf'^minbert_{name}_seconds_count{{code="200",.*task="mood"}} [1-9]'
        assert re.search(count, page, flags=re.MULTILINE), name
    assert re.search(r"^minbert_batch_tokens_count [1-9]", page, flags=re.MULTILINE)


def test_no_answer_lets_a_page_load_from_elsewhere(running: Running) -> None:
    with running.client() as client:
        for path in ("/", "/page.css", "/page.js", "/icon.svg", "/openapi.json", "/docs", "/redoc", "/v1/models"):
            answer = client.get(path)
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.status_code == (404 if path in ("/docs", "/redoc") else 200)
            if path != "/openapi.json":
                assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_the_pages_parts_fit_together(running: Running) -> None:
    with running.client() as client:
        page, style, script = (client.get(path).text for path in ("/", "/page.css", "/page.js"))
        for target in re.findall(r'(?:href|src)="([^"]+)"', page):
            assert client.get(f"/{target}").status_code == 200, target
    ids = set(re.findall(r'\bid="([^"]+)"', page))
    named = set(re.findall(r'(?:byId|prepare)\("([^"]+)"', script)) | set(re.findall(r'\bfor="([^"]+)"', page))
    assert named <= ids
    assert len(named) > 8
    assert not re.search(r"innerHTML|<style|\bstyle=|\bon[a-z]+=\"", page + script)
    for rule in ("prefers-color-scheme: dark", "prefers-reduced-motion", "forced-colors", ":focus-visible"):
        assert rule in style
    for label in re.findall(r"<(?:textarea|input)[^>]*\bid=\"([^\"]+)\"", page):
        assert f'for="{label}"' in page or f'<label><input id="{label}"' in page, label
