"""How routes answer: rows with errors in their places, vectors as numbers or bytes, and the statuses they document."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import numpy as np
from fastapi.responses import JSONResponse
from numpy.typing import NDArray

from minbert.serving.bodies import Error
from minbert.serving.refusals import no_answer
from minbert.serving.service import Answered

_WHY = {
    400: "The body is no JSON.",
    401: "The bearer token is missing or wrong.",
    404: "There is no such task or model.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The body is not called `application/json`.",
    422: "The body is JSON, but not of this shape, or a text is too long.",
    500: "The model has no answer for these inputs, or the server has a fault.",
    503: "The server has as much work as it takes, is stopping, or its model has stopped working.",
}
ASKING = (400, 401, 408, 413, 415, 422, 500, 503)
"""What every route that asks the model may answer beside success."""


def statuses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes these statuses, all of one shape."""
    return {code: {"model": Error, "description": _WHY[code]} for code in codes}


def said(answered: Answered, task: str) -> list[dict[str, Any]]:
    """Return what a task says of each row, an error in the place of those that have no answer."""
    error = no_answer().told()
    rows = zip(answered.said(task), answered.failed(task), strict=True)
    return [{"error": error} if failed else row for row, failed in rows]


def with_tokens(answered: Answered, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the tokens that were seen of them, and those they have."""
    counted = zip(rows, answered.tokens_seen, answered.tokens_total, strict=True)
    return [{**row, "tokens_seen": seen, "tokens_total": total} for row, seen, total in counted]


def rows_response(content: dict[str, Any], failed: Sequence[bool]) -> JSONResponse:
    """Return an answer of several rows: 207 where some have none.

    Raises:
        RefusalError: none has any.
    """
    if all(failed):
        raise no_answer()
    return JSONResponse(content, HTTPStatus.MULTI_STATUS if any(failed) else HTTPStatus.OK)


def told_vector(vector: NDArray[np.float32], encoding: str) -> list[float] | str:
    """Return a vector as numbers, or as base64 of its little-endian float32."""
    return vector.tolist() if encoding == "float" else base64.b64encode(vector.tobytes()).decode("ascii")
