"""The router before the versions of a model: what answers requests of everybody on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse

from trainer.serving.management import add_error_handlers, management
from trainer.serving.passing import UNAVAILABLE, Passing

if TYPE_CHECKING:
    from trainer.serving.metrics import Metrics
    from trainer.serving.service import Service

UNIT_HEADER = "x-unit-id"
"""Requests of one unit are answered by one version."""
VERSION_HEADER = "x-model-version"
MOST_BYTES = 64_000_000
"""Of a request."""
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
OK, TOO_LARGE = 200, 413


def application(service: Service, metrics: Metrics, token: str) -> FastAPI:
    """Return the router's application before a service, which somebody else opens and closes."""
    app = FastAPI(title=service.state.model, docs_url=None, redoc_url=None, openapi_url=None)
    # A page in a browser may not reach this under another name.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES], www_redirect=False)
    passing = Passing(service, metrics)
    _add_public(app, passing)
    app.include_router(management(passing, token))
    add_error_handlers(app)
    return app


def _add_public(app: FastAPI, passing: Passing) -> None:
    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return JSONResponse({"message": f"a request may have {MOST_BYTES:,} bytes; send fewer rows"}, TOO_LARGE)
        content_type = request.headers.get("content-type", "")
        answer = await passing.answer(body, content_type, _unit_of(request))
        return Response(answer.body, answer.status, {VERSION_HEADER: answer.version}, answer.content_type)

    @app.get("/health")
    async def health() -> Response:
        main = passing.service.state.split.main
        server = passing.service.servers.get(main)
        is_well = server is not None and server.is_running
        return JSONResponse({"model": passing.service.state.model, "version": main}, OK if is_well else UNAVAILABLE)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(passing.metrics.text(passing.service), media_type="text/plain; version=0.0.4")


def _unit_of(request: Request) -> str | None:
    """Return the id of a request's unit; bytes that are not UTF-8 are read as Latin-1, as clients write them."""
    given = request.headers.get(UNIT_HEADER)
    if given is None or given.isascii():
        return given
    try:
        return given.encode("latin-1").decode()
    except UnicodeDecodeError:
        return given


async def _body(request: Request) -> bytes | None:
    """Return a request's body, or None if it is too large."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)
