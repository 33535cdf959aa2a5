"""What every request passes before it meets a route, in this order: observed, authorized, its body bounded.

All three speak ASGI itself, and copy no body.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minbert.serving.logs import told
from minbert.serving.notes import Notes, Trace, noted
from minbert.serving.refusals import RefusalError
from minbert.serving.service import Service

_log = logging.getLogger(__name__)

_SECURITY = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

_CLIENT_GONE = 499
"""What is logged where nobody was left to be answered, as nginx does."""


class Observed:
    """Times, counts and logs each request, carries its trace on, and turns what nobody caught into a 500."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.metrics = service.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        notes, status = Notes(), 0
        trace = Trace.continued(Headers(scope=scope).get("traceparent", ""))
        noted.set(notes)

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["traceparent"] = trace.header
                for name, value in _SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, observed_send)
        except Exception as error:
            told(_log, "request failed", error=error, trace_id=trace.trace_id)
            if not status:
                notes.code = "internal_error"
                fault = RefusalError(500, notes.code, "The server has a fault. Its log says where, under the trace id.")
                await fault.response()(scope, receive, observed_send)
        seconds = time.perf_counter() - started
        status = status or _CLIENT_GONE
        route = getattr(scope.get("route"), "path", "none")
        self.metrics.request(route, notes, status, seconds)
        told(
            _log,
            "request",
            method=scope["method"],
            route=route,
            status=status,
            seconds=round(seconds, 6),
            task=notes.task or None,
            rows=notes.rows or None,
            tokens=notes.tokens or None,
            cut=notes.cut or None,
            code=notes.code or None,
            queue_seconds=notes.queue_seconds and round(notes.queue_seconds, 6),
            inference_seconds=notes.inference_seconds and round(notes.inference_seconds, 6),
            trace_id=trace.trace_id,
            span_id=trace.span_id,
        )


class Authorized:
    """Asks for the bearer token, if there is one, everywhere but at ``open_paths``."""

    def __init__(self, app: ASGIApp, token: str | None, open_paths: frozenset[str]) -> None:
        self.app = app
        self.token = None if token is None else token.encode()
        self.open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and self.token is not None and scope["path"] not in self.open_paths:
            scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token):
                headers = {"WWW-Authenticate": "Bearer"}
                refused = RefusalError(
                    401, "unauthorized", "Send the server's token as a bearer token.", headers=headers
                )
                await answer(refused, scope, receive, send)
                return
        await self.app(scope, receive, send)


class Bounded:
    """Reads bodies whole, within limits of size and time, before anything is made of them.

    A request that could not be answered anyhow is refused before its body is read. One whose client goes away while it
    waits is given up.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        held = 0

        def hold(more: int) -> None:
            nonlocal held
            held += more
            self.service.held_bytes += more

        try:
            try:
                body = await self._body(scope, receive, hold)
            except RefusalError as refused:
                await answer(refused, scope, receive, send)
                return
            if body is not None:
                await self._answer(body, scope, receive, send)
        finally:
            self.service.held_bytes -= held

    async def _answer(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with a whole body, unless its client goes away meanwhile."""
        answering, gone = asyncio.current_task(), False
        assert answering is not None

        async def give_up_without_client() -> None:
            nonlocal gone
            while (await receive())["type"] != "http.disconnect":
                pass
            gone = True
            answering.cancel()

        watching = asyncio.create_task(give_up_without_client())
        try:
            await self.app(scope, _replayed(body, receive), send)
        except asyncio.CancelledError:
            if not gone:
                raise
            answering.uncancel()
        finally:
            watching.cancel()

    async def _body(self, scope: Scope, receive: Receive, hold: Callable[[int], None]) -> bytes | None:
        """Return the body; None if the client has gone.

        Raises:
            RefusalError: it is too large, too slow, not called JSON, or the server takes no work.
        """
        limits, headers = self.service.limits, Headers(scope=scope)
        if refused := self.service.batcher.refusal():
            raise refused
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _closing(415, "not_json", "Send JSON, and say so: Content-Type: application/json.")
        length = headers.get("content-length", "0")
        too_large = _closing(413, "body_too_large", f"The body may have {limits.body_bytes:,} bytes.")
        if not length.isdecimal() or int(length) > limits.body_bytes:
            raise too_large
        chunks = []
        size = 0
        try:
            async with asyncio.timeout(limits.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    hold(len(chunk))
                    if size > limits.body_bytes:
                        raise too_large
                    if self.service.held_bytes > limits.all_bodies_bytes:
                        retry = {"Retry-After": "2", "Connection": "close"}
                        raise RefusalError(503, "overloaded", "The server reads as much as it can hold.", headers=retry)
                    chunks.append(chunk)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise _closing(408, "body_too_slow", f"The body did not come within {limits.body_seconds:g} s.") from None
        return b"".join(chunks)


async def answer(refused: RefusalError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request by a refusal, and note which."""
    noted.get().code = refused.code
    await refused.response()(scope, receive, send)


def _closing(status: int, code: str, message: str) -> RefusalError:
    """Return a refusal that ends the connection: the rest of the body is not read."""
    return RefusalError(status, code, message, headers={"Connection": "close"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the whole body once, and after it what the connection says."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
