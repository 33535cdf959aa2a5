"""Every answer that is no success: one shape, which OpenAI's clients understand, and one list of reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

PROBLEMS_TOLD = 20
"""An answer names at most so many items that cannot be used."""


class RefusalError(Exception):
    """Why a request, or an item of it, gets no answer."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        problems: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make one; ``code`` is for programs, ``message`` says what to do and quotes nothing that was sent."""
        super().__init__(message)
        self.status = int(status)
        self.code = code
        self.problems = problems
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """Return the answer that says so."""
        return JSONResponse({"error": self.told()}, self.status, self.headers)

    def told(self) -> dict[str, Any]:
        """Return the object under ``error``."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        problems = {"problems": list(self.problems)} if self.problems else {}
        return {"message": str(self), "type": kind, "code": self.code, **problems}


def overloaded(seconds: int) -> RefusalError:
    """Return the refusal of a full queue, which is worth another try in so many seconds."""
    message = f"The server has as much work as it takes. Try again in {seconds} s."
    return RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", message, headers={"Retry-After": str(seconds)})


def stopping() -> RefusalError:
    """Return the refusal of a server that is being stopped."""
    message = "The server is stopping. Try another one, or again in 5 s."
    return RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "stopping", message, headers={"Retry-After": "5"})


def model_failed() -> RefusalError:
    """Return the refusal of a server whose inference thread has ended."""
    message = "The model has stopped working; the server must be started again. Its log says why. Try again in 30 s."
    return RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, "model_failed", message, headers={"Retry-After": "30"})


def no_answer(problems: Sequence[Mapping[str, Any]] = ()) -> RefusalError:
    """Return what is said of items for which the model has no answer."""
    message = "The model has no answer: its numbers are not finite, or all 0. Its weights may be damaged."
    return RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, "no_answer", message, problems=problems)


def invalid(code: str, message: str, problems: Sequence[Mapping[str, Any]] = ()) -> RefusalError:
    """Return the refusal of a request that is JSON, but asks for what cannot be."""
    return RefusalError(HTTPStatus.UNPROCESSABLE_ENTITY, code, message, problems=problems)


def not_found(code: str, message: str) -> RefusalError:
    """Return the refusal of a name or an address that is not there."""
    return RefusalError(HTTPStatus.NOT_FOUND, code, message)
