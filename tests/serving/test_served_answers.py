"""What a server answers is what the model answers by itself, in whatever company."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from serving_models import TASKS, Running, in_this_loop, rows_for, serving, small_model

from minbert.multitask.model import MultitaskModel
from minbert.tasks.predictions import Predictions

PALS = {"name": "pals", "size": 8, "heads": 2}
SHARINGS = [("none", "none"), (PALS, "none"), ("none", "bilstm"), (PALS, "bilstm")]


@pytest.fixture(scope="module")
def model(tiny_encoder: Path) -> MultitaskModel:
    return small_model(tiny_encoder)


@pytest.fixture(scope="module")
def running(model: MultitaskModel) -> Iterator[Running]:
    with serving(model) as server:
        yield server


def told(predicted: Predictions, row: int) -> dict[str, Any]:
    """What is to be told of a row, from what the model predicts."""
    if predicted.probabilities is None:
        return {"prediction": pytest.approx(predicted.values[row], abs=1e-5)}
    shares = dict(zip(predicted.class_names, predicted.probabilities[row], strict=True))
    return {"prediction": predicted.names[row], "probabilities": pytest.approx(shares, abs=1e-5)}


def without_tokens(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not key.startswith("tokens")}


@pytest.mark.parametrize(("adapters", "shared_layer"), SHARINGS, ids=str)
def test_every_task_answers_as_the_model_does_whatever_tasks_share(
    tiny_encoder: Path, adapters: Any, shared_layer: Any
) -> None:
    tasks = {name: task | {"pooling": "mean"} for name, task in TASKS.items()}
    model = small_model(tiny_encoder, tasks, adapters, shared_layer)

    async def compare() -> None:
        async with in_this_loop(model) as (_, client):
            rows = {task: rows_for(model, task, 5) for task in model.tasks}
            asked = [client.post(f"/v1/predict/{task}", json={"inputs": rows[task]}) for task in model.tasks]
            texts = rows_for(model, "mood", 3, seed=1)
            *answers, embedded = await asyncio.gather(*asked, client.post("/v1/embeddings", json={"input": texts}))
            for task, answer in zip(model.tasks, answers, strict=True):
                expected = model.predict(task, rows[task])
                assert [without_tokens(row) for row in answer.json()["predictions"]] == [
                    told(expected, row) for row in range(5)
                ]
            vectors = np.array([row["embedding"] for row in embedded.json()["data"]])
            encoded = model.encode(texts).astype(np.float64)
            np.testing.assert_allclose(vectors, encoded / np.linalg.norm(encoded, axis=1, keepdims=True), atol=1e-6)
            pairs = rows_for(model, "same", 4, seed=2)
            for inputs, of_pairs in ((texts, False), (pairs, True)):
                analyses = (await client.post("/v1/analyze", json={"inputs": inputs})).json()["analyses"]
                own = [name for name, task in model.tasks.items() if (task.pair is not None) == of_pairs]
                assert [list(row["tasks"]) for row in analyses] == [own] * len(inputs)
                for task in own:
                    expected = model.predict(task, inputs)
                    assert [row["tasks"][task] for row in analyses] == [
                        told(expected, row) for row in range(len(inputs))
                    ]

    asyncio.run(compare())


@pytest.mark.parametrize(("task", "sequences"), [("mood", 2), ("same", 6)])
def test_all_tasks_of_a_row_take_one_pass_of_the_encoder(
    running: Running, model: MultitaskModel, task: str, sequences: int
) -> None:
    passes: list[int] = []
    hook = model.encoder.register_forward_pre_hook(lambda _, given: passes.append(len(given[0])))
    try:
        assert running.post("/v1/analyze", {"inputs": rows_for(model, task, 2, seed=9)}).status_code == 200
    finally:
        hook.remove()
    assert passes == [sequences]  # of a pair both texts and, for other tasks, both joined


def test_an_answer_does_not_depend_on_its_company(model: MultitaskModel) -> None:
    random = np.random.default_rng(3)

    async def compare() -> None:
        async with in_this_loop(model) as (_, client):
            alone = (await client.post("/v1/predict/mood", json={"inputs": ["why do people cook rice"]})).json()
            for _ in range(20):
                company = [
                    client.post(f"/v1/predict/{task}", json={"inputs": rows_for(model, task, random.integers(1, 9))})
                    for task in random.choice(list(model.tasks), size=5)
                ]
                mine = client.post("/v1/predict/mood", json={"inputs": ["why do people cook rice"]})
                *_, answer = await asyncio.gather(*company, mine)
                [found], [expected] = answer.json()["predictions"], alone["predictions"]
                assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)

    asyncio.run(compare())


def test_openais_clients_work_as_they_are(running: Running, model: MultitaskModel) -> None:
    texts = ["a good film", "how do people cook rice"]
    client = openai.OpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0)
    by_default = client.embeddings.create(model="small", input=texts)
    as_numbers = client.embeddings.create(model="small", input=texts, encoding_format="float")
    encoded = model.encode(texts)
    for answer in (by_default, as_numbers):
        vectors = np.array([one.embedding for one in answer.data])
        np.testing.assert_allclose(vectors, encoded / np.linalg.norm(encoded, axis=1, keepdims=True), atol=1e-6)
    assert by_default.usage.total_tokens == sum(len(text.split()) + 2 for text in texts)
    assert [card.id for card in client.models.list()] == ["small"]
    with pytest.raises(openai.NotFoundError, match="It has: small"):
        client.embeddings.create(model="other", input=texts)
    with pytest.raises(openai.UnprocessableEntityError, match="check_embedding_ctx_length=False"):
        client.embeddings.create(model="small", input=[[5, 6], [7]])
    with pytest.raises(openai.UnprocessableEntityError, match="leave dimensions out"):
        client.embeddings.create(model="small", input=texts, dimensions=8)

    async def asynchronously() -> list[float]:
        async with openai.AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none") as client:
            return (await client.embeddings.create(model="small", input="a good film")).data[0].embedding

    assert asyncio.run(asynchronously()) == pytest.approx(by_default.data[0].embedding, abs=1e-6)


def test_base64_is_little_endian_float32(running: Running) -> None:
    body = {"input": ["a bright river"], "normalize": False}
    numbers = running.post("/v1/embeddings", body).json()["data"][0]["embedding"]
    packed = running.post("/v1/embeddings", {**body, "encoding_format": "base64"}).json()["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(packed), dtype="<f4").tolist() == pytest.approx(numbers, abs=1e-6)


@pytest.mark.parametrize("task", ["same", "close", "akin"])
def test_rerank_is_in_the_order_of_the_tasks_score(running: Running, model: MultitaskModel, task: str) -> None:
    documents = [str(text) for text in rows_for(model, "mood", 12)]
    predicted = model.predict(task, [("how do people cook", text) for text in documents])
    scores = predicted.values if predicted.probabilities is None else predicted.probabilities[:, 1]
    body = {"query": "how do people cook", "documents": documents, "task": task}
    results = running.post("/v1/rerank", body).json()["results"]
    assert [row["index"] for row in results] == np.argsort(-scores.round(6), kind="stable").tolist()
    assert [row["relevance_score"] for row in results] == pytest.approx(sorted(scores, reverse=True), abs=1e-5)
    best = running.post("/v1/rerank", {**body, "top_n": 3}).json()["results"]
    assert [row["index"] for row in best] == [row["index"] for row in results[:3]]


def test_rerank_asks_for_a_task_that_can(running: Running) -> None:
    body = {"query": "why", "documents": ["rice"]}
    for more, words in (({}, "Name one"), ({"task": "mood"}, "same, close, like, akin"), ({"task": "nope"}, "no such")):
        assert words in running.post("/v1/rerank", {**body, **more}).json()["error"]["message"]


def test_a_query_is_read_once(running: Running, model: MultitaskModel) -> None:
    passes: list[int] = []
    hook = model.encoder.register_forward_pre_hook(lambda _, given: passes.append(len(given[0])))
    try:
        running.post("/v1/rerank", {"query": "why", "documents": ["rice", "a film", "do"], "task": "close"})
    finally:
        hook.remove()
    assert sum(passes) == 4


def test_the_aliases_say_the_same(running: Running, model: MultitaskModel) -> None:
    texts = ["a good film", "a dull film", "rice"]
    encoded = model.encode(texts).astype(np.float64)
    unit = encoded / np.linalg.norm(encoded, axis=1, keepdims=True)
    np.testing.assert_allclose(running.post("/embed", {"inputs": texts}).json(), unit, atol=1e-6)
    np.testing.assert_allclose(
        running.post("/embed", {"inputs": texts[0], "normalize": False}).json(), encoded[:1], atol=1e-5
    )
    similar = running.post("/similarity", {"inputs": {"source_sentence": texts[0], "sentences": texts[1:]}}).json()
    assert similar == pytest.approx((unit[1:] @ unit[0]).tolist(), abs=1e-5)
    mood = model.predict("mood", texts).probabilities
    assert mood is not None
    one = running.post("/predict", {"inputs": texts[0], "task": "mood"}).json()
    assert {row["label"]: row["score"] for row in one} == pytest.approx(
        dict(zip(["low", "high", "none"], mood[0], strict=True)), abs=1e-5
    )
    assert [row["score"] for row in one] == sorted((row["score"] for row in one), reverse=True)
    several = running.post("/predict", {"inputs": [[text] for text in texts], "task": "mood"}).json()
    assert len(several) == 3 and several[0] == one
    pair = running.post("/predict", {"inputs": [texts[:2]], "task": "close"}).json()
    assert pair == [
        [{"label": "close", "score": pytest.approx(model.predict("close", [(texts[0], texts[1])]).values[0])}]
    ]
    ours = running.post("/v1/rerank", {"query": texts[0], "documents": texts, "task": "same"}).json()["results"]
    theirs = running.post("/rerank", {"query": texts[0], "texts": texts, "task": "same", "return_text": True}).json()
    assert [(row["index"], row["score"]) for row in theirs] == [(row["index"], row["relevance_score"]) for row in ours]
    assert all(row["text"] == texts[row["index"]] for row in theirs)
    with running.client() as client:
        assert client.get("/info").json()["max_input_length"] == 24
        assert client.get("/v2/health/live").json() == client.get("/v2/health/ready").json() == {"status": "ok"}


def test_texts_too_long_are_refused_or_cut_and_told(running: Running) -> None:
    long, short = " ".join(["rice"] * 30), "rice"
    for path, body in (
        ("/v1/predict/mood", {"inputs": [short, long]}),
        ("/v1/analyze", {"inputs": [short, long]}),
        ("/v1/embeddings", {"input": [short, long]}),
    ):
        refused = running.post(path, body)
        assert refused.status_code == 422
        assert refused.json()["error"]["problems"] == [{"input": 1, "tokens": 32, "allowed": 24}]
        answer = running.post(path, {**body, "truncate": True}).json()
        rows = answer.get("predictions") or answer.get("analyses") or answer["data"]
        assert [(row["tokens_seen"], row["tokens_total"]) for row in rows] == [(3, 3), (24, 32)]
    both = running.post("/v1/predict/close", {"inputs": [[short, long]], "truncate": True}).json()["predictions"]
    assert (both[0]["tokens_seen"], both[0]["tokens_total"]) == (3 + 24, 3 + 32)
    with running.client() as client:
        limits = client.get("/v1/models").json()["data"][0]["limits"]
        page = client.get("/metrics").text
    assert limits["tokens_per_text"] == 24
    assert re.search(r"^minbert_cut_texts_total [1-9]", page, flags=re.MULTILINE)


def test_models_tell_what_each_task_takes_and_answers(running: Running) -> None:
    with running.client() as client:
        tasks = client.get("/v1/models").json()["data"][0]["tasks"]
    assert list(tasks) == list(TASKS)
    assert tasks["topics"]["thresholds"] == {"film": 0.45, "rice": 0.55}
    assert (tasks["close"]["range"], tasks["close"]["takes"], tasks["close"]["ranks"]) == ([0, 5], "pair", True)
    assert (tasks["mood"]["classes"], tasks["mood"]["takes"], tasks["mood"]["ranks"]) == (
        ["low", "high", "none"],
        "text",
        False,
    )
