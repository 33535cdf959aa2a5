"""The server: a port that is bound, and uvicorn, stopped so that no request is lost."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI

from minbert.errors import UserError
from minbert.serving.app import create_app
from minbert.serving.logs import log_to_stdout, told
from minbert.serving.service import Service

_log = logging.getLogger(__name__)

READY_OFF_SECONDS = 2.0
"""From SIGTERM to the last new connection: in between a balancer sees that the server is not ready."""
MODEL_FAILED_SECONDS = 5.0
"""From the end of the inference thread to that of the process, which whoever started it is to start again."""
ALL_ANSWERED_SECONDS = 60
"""Requests in flight have so long to be answered."""
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep theirs, so that none sends a request into a connection that is being closed."""

_ACCEPTED_AT_ONCE = 16
"""Connections let in between two turns of the event loop."""


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address. Nobody is let in before it listens.

    Raises:
        UserError: the address is taken, not of this machine, or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise UserError(
            f"{host}:{port}: cannot be bound ({error.strerror}). Choose another --port or --host."
        ) from None
    return bound


def run_server(service: Service, bound: socket.socket, token: str | None) -> bool:
    """Serve until SIGTERM or Ctrl-C; return False if the model has stopped working."""
    log_to_stdout()
    server = Server(create_app(service, token), service)
    with _short_collections():
        server.run(_listening(bound))
    return not server.model_failed


@contextmanager
def _short_collections() -> Iterator[None]:
    """Keep Python's collector of cycles from holding up all who wait.

    What is there now stays, and is not looked through again: that took 140 ms each time. Requests in flight take 30 ms,
    but not every few seconds, as by default, since a request makes hardly a cycle.
    """
    often, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)
        if not frozen:
            gc.unfreeze()


def _listening(bound: socket.socket) -> list[socket.socket]:
    """Return the sockets to listen at, all of one address.

    uvloop lets in one connection of each socket in a turn of its loop. With one socket, and the model on the same core,
    who came with a new connection at three times the load waited for seconds.
    """
    if sys.platform == "win32":  # there is no uvloop; and its completion ports take a socket once
        return [bound]
    return [bound, *(bound.dup() for _ in range(_ACCEPTED_AT_ONCE - 1))]


class Server(uvicorn.Server):
    """Uvicorn, but that a signal first takes readiness away, and that it ends when the model has failed."""

    def __init__(self, app: FastAPI, service: Service) -> None:
        """Serve ``app``, which serves ``service``."""
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="on",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=ALL_ANSWERED_SECONDS,
            )
        )
        self.service = service
        self.model_failed = False
        self.end_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop: at once where a person asks or asks again, else when balancers have seen it."""
        if self.service.stopping:
            self.should_exit = self.force_exit = True
            return
        self.service.stopping = True
        self.end_at = time.monotonic() + (READY_OFF_SECONDS if sig == signal.SIGTERM else 0)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end; uvicorn asks ten times a second."""
        if self.service.batcher.died and not self.model_failed:
            self.model_failed = True
            self.end_at = time.monotonic() + MODEL_FAILED_SECONDS
            told(_log, "ending", seconds=MODEL_FAILED_SECONDS)
        return await super().on_tick(counter) or (self.end_at is not None and time.monotonic() >= self.end_at)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port and end the model's thread, also where a second Ctrl-C cuts the waiting short."""
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn would then cancel what ends the thread, and log a traceback
            await self.lifespan.shutdown()
