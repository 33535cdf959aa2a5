"""Requests of which a tenth are bad, and whether the good ones were answered as the model itself answers."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from load import Answer, Request
from minbert.multitask.model import MultitaskModel
from minbert.multitask.texts import Text

PREDICT, CROSS, EMBED = "/v1/predict/predict", "/v1/predict/cross", "/v1/embeddings"
_TOLERANCE = 1e-5

Numbers = list[float]
"""What a request should be answered, in fp32: probabilities, or a vector."""


def mixed_requests(
    model: MultitaskModel, texts: Sequence[str], count: int, seed: int
) -> tuple[list[Request], list[Numbers | None]]:
    """Return ``count`` requests in random order, and what each should be answered; None for bad ones.

    Nine tenths are good: texts, pairs and vectors, a fiftieth of them in slow pieces. Bad ones are no JSON, of another
    shape, of texts or bodies too large, of blank texts, or cut off half-way.
    """
    random = np.random.default_rng(seed)
    pairs: list[Text] = [(texts[at], texts[-1 - at]) for at in range(len(texts))]
    singles, crossed = model.predict("predict", texts).probabilities, model.predict("cross", pairs).probabilities
    assert singles is not None and crossed is not None
    vectors = model.encode(texts).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    good = [
        *((Request.of(PREDICT, {"inputs": [text]}), row) for text, row in zip(texts, singles.tolist(), strict=True)),
        *((Request.of(CROSS, {"inputs": [pair]}), row) for pair, row in zip(pairs, crossed.tolist(), strict=True)),
        *((Request.of(EMBED, {"input": text}), row) for text, row in zip(texts, vectors.tolist(), strict=True)),
    ]
    bad = [
        Request(PREDICT, b'{"inputs": ["half'),
        Request.of(PREDICT, {"inputs": 5}),
        Request.of(PREDICT, {"inputs": [" "]}),
        Request.of(CROSS, {"inputs": ["one text"]}),
        Request.of("/v1/predict/nothing", {"inputs": ["a text"]}),
        Request.of(PREDICT, {"inputs": ["word " * 2000]}),
        Request.of(EMBED, {"input": "x" * 150_000}),
        Request.of(EMBED, {"input": ["word " * 50_000] * 9}),
        Request(PREDICT, b'{"inputs": ["\\ud800"]}'),
        Request.of(PREDICT, {"inputs": ["a text"]}, pieces=2, cut_off=True),
    ]
    requests: list[Request] = []
    expected: list[Numbers | None] = []
    for number in range(count):
        if number % 10 == 0:
            requests.append(bad[random.integers(len(bad))])
            expected.append(None)
            continue
        request, answer = good[random.integers(len(good))]
        slow = random.random() < 0.02
        requests.append(Request(request.path, request.body, pieces=5, pause=0.2) if slow else request)
        expected.append(answer)
    order = random.permutation(count)
    return [requests[at] for at in order], [expected[at] for at in order]


def wrong_answers(answers: Sequence[Answer], expected: Sequence[Numbers | None]) -> int:
    """Return how many good requests were not answered, or otherwise than expected."""
    wrong = 0
    for answer, numbers in zip(answers, expected, strict=True):
        if numbers is None:
            continue
        if answer.status != 200:
            wrong += 1
            continue
        content = json.loads(answer.body)
        found = (
            content["data"][0]["embedding"]
            if "data" in content
            else list(content["predictions"][0]["probabilities"].values())
        )
        wrong += not np.allclose(found, numbers, atol=_TOLERANCE)
    return wrong
