"""The application: all routes of one service, its handlers of errors, and what each request passes first."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from minbert.serving import bodies
from minbert.serving.aliases import alias_routes
from minbert.serving.metrics import CONTENT_TYPE
from minbert.serving.middleware import Authorized, Bounded, Observed
from minbert.serving.notes import noted
from minbert.serving.refusals import PROBLEMS_TOLD, RefusalError, invalid
from minbert.serving.routes import main_routes
from minbert.serving.service import Service
from minbert.serving.telling import statuses

_PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEALTH = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
OPEN_PATHS = frozenset({*_PAGE, *_HEALTH})
"""What needs no token: the page, which holds nothing, and what a balancer asks."""


def create_app(service: Service, token: str | None = None) -> FastAPI:
    """Return the application that serves ``service``; it starts and stops with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()

    # FastAPI's own pages of documentation load scripts from elsewhere; /openapi.json is what they would show.
    app = FastAPI(
        title="minbert",
        version=version("minbert"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        description=f"The tasks of `{service.name}`. GET /v1/models tells them, and what a request may hold.",
    )
    app.include_router(main_routes(service))
    app.include_router(alias_routes(service, version("minbert")))
    _add_health(app, service)
    _add_page(app)
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _elsewhere)
    app.add_middleware(Bounded, service=service)
    app.add_middleware(Authorized, token=token, open_paths=OPEN_PATHS)
    app.add_middleware(Observed, service=service)
    return app


def _add_health(app: FastAPI, service: Service) -> None:
    """Add what balancers and Prometheus ask."""

    @app.get("/healthz", response_model=bodies.Health, responses=statuses(503))
    @app.get("/v2/health/live", response_model=bodies.Health, responses=statuses(503))
    async def live() -> dict[str, Any]:
        """Whether the process should go on: 503 once its model has stopped working, which only a new start mends."""
        if (refused := service.not_ready()) and refused.code == "model_failed":
            raise refused
        return {"status": "ok"}

    @app.get("/readyz", response_model=bodies.Health, responses=statuses(503))
    @app.get("/v2/health/ready", response_model=bodies.Health, responses=statuses(503))
    async def ready() -> dict[str, Any]:
        """Whether requests should be sent here. A full queue is no reason not to: others may be as full."""
        if refused := service.not_ready():
            raise refused
        return {"status": "ok"}

    @app.get("/metrics", response_class=Response, responses=statuses(401))
    async def metrics() -> Response:
        """Tell all counters in Prometheus' format."""
        return Response(
            service.metrics.page(service.batcher.waiting_tokens, service.not_ready() is None), media_type=CONTENT_TYPE
        )


def _add_page(app: FastAPI) -> None:
    """Add the page for people, which comes whole from the package."""

    async def page(request: Request) -> Response:
        name, media_type = _PAGE[request.url.path]
        content = files("minbert.serving").joinpath("page", name).read_bytes()
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    for path in _PAGE:
        app.add_route(path, page, methods=["GET"], include_in_schema=False)


async def _refused(_: Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, RefusalError)
    noted.get().code = refused.code
    return refused.response()


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with a body. FastAPI's own answer repeats what was sent, and fails where that is no Unicode."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if found[0]["type"] == "json_invalid":
        return await _refused(request, RefusalError(400, "invalid_json", "The body is no JSON."))
    problems = [
        {"at": _place(one["loc"]), "why": one["msg"].removeprefix("Value error, ")} for one in found[:PROBLEMS_TOLD]
    ]
    first = problems[0]
    message = f"{first['at'] or 'The body'}: {first['why']}."
    return await _refused(request, invalid("invalid_body", message, problems))


def _place(loc: Sequence[int | str]) -> str:
    """Return where in a body something is, without the types that pydantic tried there."""
    return ".".join(str(part) for part in loc[1:] if isinstance(part, int) or re.fullmatch("(?!str$)[a-z_]+", part))


async def _elsewhere(request: Request, error: Exception) -> JSONResponse:
    """Say in our own shape what the framework refuses: unknown addresses and methods, and JSON it cannot read."""
    assert isinstance(error, HTTPException)
    known = {
        404: ("not_found", "There is nothing at this address. GET /openapi.json tells what there is."),
        405: ("method_not_allowed", "This address takes another method. The header Allow tells which."),
    }
    code, message = known.get(error.status_code, ("invalid_json", "The body is no JSON."))
    return await _refused(request, RefusalError(error.status_code, code, message, headers=error.headers))
