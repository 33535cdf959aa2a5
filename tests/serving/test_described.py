"""The server does what its description says: each documented status occurs, no other, and fuzzing finds no fault."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
import torch
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving_models import TASKS, in_this_loop, serving, small_model

from minbert.multitask.model import MultitaskModel
from minbert.serving.app import OPEN_PATHS, create_app
from minbert.serving.service import Service

TOKEN = "a-token-of-nineteen"
GOOD: dict[str, Any] = {
    "/v1/predict/{task}": {"inputs": ["rice", "why"]},
    "/v1/analyze": {"inputs": ["rice", "why"]},
    "/v1/embeddings": {"input": "rice"},
    "/v1/rerank": {"query": "rice", "documents": ["why"], "task": "same"},
    "/embed": {"inputs": "rice"},
    "/predict": {"inputs": "rice", "task": "mood"},
    "/rerank": {"query": "rice", "texts": ["why"], "task": "same"},
    "/similarity": {"inputs": {"source_sentence": "rice", "sentences": ["why"]}},
}
UNKNOWN: dict[str, Any] = {
    "/v1/embeddings": {"input": "rice", "model": "other"},
    "/v1/rerank": {"query": "rice", "documents": ["why"], "task": "other"},
    "/predict": {"inputs": "rice", "task": "other"},
    "/rerank": {"query": "rice", "texts": ["why"], "task": "other"},
}
SAID_BY_NO_SCHEMA = {"text_too_long", "too_many_tokens", "wrong_form", "task_missing", "no_ranking"}


@pytest.fixture
def model(tiny_encoder: Path) -> MultitaskModel:
    return small_model(tiny_encoder)


def documented(model: MultitaskModel) -> list[tuple[str, str, int]]:
    """Return each path, method and status of the description."""
    paths = create_app(Service(model, "small")).openapi()["paths"]
    return [
        (path, method, int(status))
        for path, methods in paths.items()
        for method, operation in methods.items()
        for status in operation["responses"]
    ]


def test_every_documented_status_occurs_in_one_shape(model: MultitaskModel) -> None:
    async def provoke() -> None:
        async with in_this_loop(model, TOKEN, body_bytes=200, body_seconds=0.05) as (service, client):
            client.headers["Authorization"] = f"Bearer {TOKEN}"

            async def slow() -> AsyncIterator[bytes]:
                await asyncio.sleep(0.5)
                yield b"{}"

            as_json = {"Content-Type": "application/json"}

            async def answer(path: str, method: str, status: int) -> httpx.Response:
                url = path.replace("{task}", "nothing" if status == 404 else "mood")
                if method == "get":
                    return await client.get(url, headers={"Authorization": "Bearer x"} if status == 401 else {})
                if status == 401:
                    return await client.post(url, json={}, headers={"Authorization": "Bearer x"})
                if status == 415:
                    return await client.post(url, content="{}", headers={"Content-Type": "text/plain"})
                contents = {400: "{", 408: slow(), 413: b"x" * 201, 422: "{}"}
                if status in contents:
                    return await client.post(url, content=contents[status], headers=as_json)
                if status == 404:
                    return await client.post(url, json=UNKNOWN.get(path, GOOD[path]))
                return await client.post(url, json=GOOD[path])

            todo = documented(model)
            for path, method, status in todo:
                if status not in (207, 500, 503):
                    found = await answer(path, method, status)
                    assert found.status_code == status, (path, found.text)
                    check_shape(found)
            for status, break_it in ((207, half_broken), (500, broken)):
                break_it(model)
                for path, method, _ in (entry for entry in todo if entry[2] == status):
                    found = await answer(path, method, status)
                    assert found.status_code == status, (path, found.text)
                    check_shape(found)
        for path, method, status in todo:
            if status == 503:  # the service has stopped
                found = await client_of(service, path, method)
                assert found.status_code == 503, path
                check_shape(found)

    asyncio.run(provoke())


async def client_of(service: Service, path: str, method: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://small") as client:
        return await client.request(method, path.replace("{task}", "mood"), json=GOOD.get(path))


def half_broken(model: MultitaskModel) -> None:
    """Let the model have no answer to "why", and to no pair of it."""
    [why] = model.tokenizer.token_ids(["why"])[0]
    model.encoder.embeddings.word.weight.data[why] = torch.nan


def broken(model: MultitaskModel) -> None:
    """Let the model have no answer at all."""
    model.encoder.embeddings.word.weight.data.fill_(torch.nan)


def check_shape(answer: httpx.Response) -> None:
    if answer.status_code < 400:
        return
    error = answer.json()["error"]
    assert error.keys() - {"problems"} == {"message", "type", "code"}
    assert error["type"] == ("invalid_request_error" if answer.status_code < 500 else "server_error")
    assert error["message"].endswith(".")
    assert ("Retry-After" in answer.headers) == (answer.status_code == 503)
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)


def test_what_is_not_there_is_told_in_the_same_shape(model: MultitaskModel) -> None:
    async def ask() -> None:
        async with in_this_loop(model) as (_, client):
            nowhere, wrong = await client.get("/nowhere"), await client.get("/v1/analyze")
            assert (nowhere.status_code, wrong.status_code, wrong.headers["Allow"]) == (404, 405, "POST")
            for answer in (nowhere, wrong):
                check_shape(answer)

    asyncio.run(ask())


def test_a_token_is_asked_for_everywhere_but_by_balancers_and_the_page(model: MultitaskModel) -> None:
    async def ask() -> None:
        async with in_this_loop(model, TOKEN) as (_, client):
            paths = {path for path, _, _ in documented(model)} | OPEN_PATHS | {"/openapi.json", "/nowhere"}
            for path, method in itertools.product(sorted(paths), ("GET", "POST")):
                for given in ({}, {"Authorization": TOKEN}, {"Authorization": "Bearer é"}, {"Authorization": "Bearer"}):
                    headers = {name: value.encode() for name, value in given.items()}
                    answer = await client.request(method, path, headers=headers)
                    assert (answer.status_code == 401) == (path not in OPEN_PATHS), (path, answer.status_code)
            right = {"Authorization": f"bearer {TOKEN}"}
            assert (await client.get("/metrics", headers=right)).status_code == 200

    asyncio.run(ask())


@pytest.mark.parametrize("path", sorted(GOOD))
def test_the_descriptions_examples_are_answered(tiny_encoder: Path, path: str) -> None:
    tasks = {name: TASKS[name] for name in (["mood"] if path == "/predict" else ["mood", "same"])}

    async def ask() -> None:
        async with in_this_loop(small_model(tiny_encoder, tasks)) as (_, client):
            description = (await client.get("/openapi.json")).json()
            schema = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
            for example in description["components"]["schemas"][schema["$ref"].split("/")[-1]]["examples"]:
                pairs = isinstance(example.get("inputs", [""])[0], list) if path.startswith("/v1") else False
                answer = await client.post(path.replace("{task}", "same" if pairs else "mood"), json=example)
                assert answer.status_code == 200, answer.text

    asyncio.run(ask())


@pytest.fixture(scope="module")
def fuzzed(tiny_encoder: Path) -> Any:
    with serving(small_model(tiny_encoder)) as running:
        yield schemathesis.openapi.from_url(f"{running.url}/openapi.json")


def test_fuzzing_by_the_description_finds_no_fault(fuzzed: Any) -> None:
    for found in fuzzed.get_all_operations():

        @hypothesis.settings(max_examples=8, derandomize=True, database=None, phases=[hypothesis.Phase.generate])
        @hypothesis.given(case=found.ok().as_strategy())
        def answers_as_described(case: schemathesis.Case) -> None:
            answer = case.call()
            code = answer.json()["error"]["code"] if answer.status_code == 422 else ""
            excluded = [positive_data_acceptance] if code in SAID_BY_NO_SCHEMA else []
            case.validate_response(answer, excluded_checks=excluded)

        answers_as_described()
