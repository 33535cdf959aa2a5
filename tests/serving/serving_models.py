"""A small model of every form and kind, and servers of it on this machine's own loopback, in threads."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from minbert.multitask.model import MultitaskModel
from minbert.multitask.texts import Text
from minbert.serving.app import create_app
from minbert.serving.limits import Limits
from minbert.serving.server import Server, bound_socket
from minbert.serving.service import Service
from small_models import WORDS, model_over, stir

TASKS: dict[str, Any] = {
    "mood": {"kind": "classification", "classes": ["low", "high", "none"], "pooling": "pooler"},
    "topics": {"kind": "multilabel", "classes": ["film", "rice"], "thresholds": {"film": 0.45, "rice": 0.55}},
    "stars": {"kind": "ordinal", "classes": 4, "pooling": "cls"},
    "same": {"kind": "binary", "pair": "cross", "threshold": 0.4},
    "close": {"kind": "regression", "range": [0, 5], "pair": "bi", "head": "cosine"},
    "like": {"kind": "regression", "range": [0, 5], "pair": "joint", "head": "cosine"},
    "akin": {"kind": "binary", "pair": "both"},
}


def small_model(
    folder: Path, tasks: dict[str, Any] = TASKS, adapters: Any = "none", shared_layer: Any = "none"
) -> MultitaskModel:
    """Return a model over the encoder in ``folder`` whose heads, adapters and shared layer all have an effect."""
    model = model_over(folder, tasks, 24, adapters, shared_layer, seed=8)
    for module in model.fresh_modules():
        stir(module)
    return model.eval()


def rows_for(model: MultitaskModel, task: str, count: int, seed: int = 0) -> list[Text]:
    """Return made-up texts or pairs, as the task takes them."""
    random = np.random.default_rng(seed)

    def sentence() -> str:
        return " ".join(random.choice(WORDS, size=random.integers(2, 9)))

    if model.task(task).pair is None:
        return [sentence() for _ in range(count)]
    return [(sentence(), sentence()) for _ in range(count)]


@dataclass
class Running:
    """A server that runs."""

    service: Service
    server: Server
    url: str
    thread: threading.Thread

    def client(self, **more: Any) -> httpx.Client:
        """Return a client of it."""
        return httpx.Client(base_url=self.url, timeout=60, verify=False, **more)  # no certificates to be read

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        """Send JSON and return the answer."""
        with self.client() as client:
            return client.post(path, json=body, **more)


@contextlib.contextmanager
def serving(model: MultitaskModel, token: str | None = None, **limits: Any) -> Iterator[Running]:
    """Serve ``model`` until the block ends."""
    service = Service(model, "small", limits=Limits(**limits))
    bound = bound_socket("127.0.0.1", 0)
    server = Server(create_app(service, token), service)
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield Running(service, server, f"http://127.0.0.1:{bound.getsockname()[1]}", thread)
    finally:
        server.should_exit = True
        thread.join()


@contextlib.asynccontextmanager
async def in_this_loop(model: MultitaskModel, token: str | None = None, **limits: Any) -> Any:
    """Give a service and a client of it that speaks ASGI, without a socket."""
    service = Service(model, "small", limits=Limits(**limits))
    app = create_app(service, token)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://small", timeout=60) as client:
            yield service, client


async def until(condition: Any) -> None:
    """Wait until something is so; a busy machine may take a minute."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.002)
