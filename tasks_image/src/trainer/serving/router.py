"""The router before the versions of a model: it answers requests, and takes changes from who bears its token."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import aiohttp
from fastapi import FastAPI, Request, Response
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.errors import ConfigurationError, TrainerError
from trainer.serving.service import OutdatedError
from trainer.serving.traffic import Share, Split

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from trainer.serving.metrics import Metrics
    from trainer.serving.service import Service
    from trainer.serving.version_server import VersionServer

logger = logging.getLogger(__name__)

UNIT_HEADER = "x-unit-id"
"""Requests of one unit are answered by one version."""
VERSION_HEADER = "x-model-version"
PASSED_ON = ("content-type",)
SECONDS_FOR_AN_ANSWER = 30.0
"""A version that takes longer has failed."""
SECONDS_TO_WAIT_FOR_A_START = 60.0
"""A request waits so long while the process of the main version is started again."""
BETWEEN_LOOKS = 0.02
MOST_BYTES = 64_000_000
"""Of a request."""
MOST_BYTES_READ = 1_000_000
"""Of a response whose answers are looked at."""
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
BAD_REQUEST, UNAUTHORIZED, CONFLICT, TOO_LARGE, FAILED, AWAY = 400, 401, 409, 413, 500, 503


class StartRequest(BaseModel, frozen=True, extra="forbid"):
    """Asks for a version to be started."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DivideRequest(BaseModel):
    """Asks for another division of the traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shares: tuple[Share, ...]
    revision: int
    """The state that the change is based on."""


@dataclass(frozen=True)
class Answer:
    """What a version has answered."""

    version: str
    status: int
    body: bytes
    content_type: str

    @property
    def is_failure(self) -> bool:
        """True if the fault is the version's."""
        return self.status >= FAILED


class GoneError(Exception):
    """A version's process did not answer."""


def application(service: Service, metrics: Metrics, token: str) -> FastAPI:
    """Return the router's application; it opens the service at its start, and closes it at its end."""

    @contextlib.asynccontextmanager
    async def opened(_: FastAPI) -> AsyncIterator[None]:
        await service.open()
        yield
        await service.close()

    app = FastAPI(title=f"{service.state.model}", lifespan=opened, docs_url=None, redoc_url=None, openapi_url=None)
    # A page in a browser may not reach this under another name.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES], www_redirect=False)
    router = Router(service, metrics)
    _add_public(app, router)
    _add_management(app, router, token)
    return app


class Router:
    """Passes requests on to versions, and notes how they were answered."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        """Route to the versions of a service."""
        self.service, self.metrics = service, metrics

    async def answer(self, body: bytes, content_type: str, unit: str | None) -> Answer:
        """Return the answer of the version whose turn it is; where that fails, the answer of the main version."""
        split = self.service.state.split
        if not split.shares:
            text = f"no version of {self.service.state.model} has traffic yet; deploy one"
            return _error("", AWAY, text)
        chosen = split.version_for(unit)
        answer = await self._asked(chosen, body, content_type)
        if not answer.is_failure or chosen == split.main:
            return answer
        return await self._asked(self.service.state.split.main, body, content_type)

    async def _asked(self, version: str, body: bytes, content_type: str) -> Answer:
        began = time.perf_counter()
        try:
            answer = await self._main_or_other(version, body, content_type)
        except GoneError as error:
            answer = _error(version, AWAY, str(error))
        self._note(answer, time.perf_counter() - began)
        return answer

    async def _main_or_other(self, version: str, body: bytes, content_type: str) -> Answer:
        """Ask a version; a request to the main one whose process has ended is asked again once that runs anew."""
        try:
            return await self.ask(version, body, content_type)
        except GoneError:
            if version != self.service.state.split.main:
                raise
        await self._started_again(version)
        return await self.ask(version, body, content_type)

    async def _started_again(self, version: str) -> None:
        ends = time.monotonic() + SECONDS_TO_WAIT_FOR_A_START
        while time.monotonic() < ends:
            server = self.service.servers.get(version)
            if server is not None and server.is_running:
                return
            await asyncio.sleep(BETWEEN_LOOKS)

    async def ask(self, version: str, body: bytes, content_type: str) -> Answer:
        """Return a version's own answer. Raises GoneError if its process is gone or does not answer in time."""
        server = self.service.servers.get(version)
        if server is None:
            raise GoneError(f"version {version} does not run")
        try:
            async with asyncio.timeout(SECONDS_FOR_AN_ANSWER):
                return await _passed_on(server, version, body, content_type)
        except (aiohttp.ClientError, RuntimeError) as error:  # RuntimeError: its session was closed meanwhile
            raise GoneError(f"version {version} is gone: {type(error).__name__}: {error}") from error
        except TimeoutError:
            return _error(version, AWAY, f"version {version} has not answered within {SECONDS_FOR_AN_ANSWER:g} s")

    def _note(self, answer: Answer, seconds: float) -> None:
        observed = self.service.observed.get(answer.version)
        outcome = "failed" if answer.is_failure else "refused" if answer.status >= BAD_REQUEST else "answered"
        self.metrics.note(answer.version, outcome, seconds)
        if observed is None:
            return
        if answer.is_failure:
            observed.note_failure(answer.body[:500].decode(errors="replace"))
            return
        observed.note(outcome, seconds)
        if outcome == "answered" and len(answer.body) <= MOST_BYTES_READ and len(self.service.state.split.shares) > 1:
            with contextlib.suppress(ValueError, AttributeError):
                observed.note_answers(json.loads(answer.body).get("predictions"))


async def _passed_on(server: VersionServer, version: str, body: bytes, content_type: str) -> Answer:
    async with server.asked("/invocations", body, {"content-type": content_type}) as response:
        return Answer(
            version, response.status, await response.read(), response.headers.get("content-type", "application/json")
        )


def _error(version: str, status: int, message: str) -> Answer:
    return Answer(version, status, json.dumps({"message": message}).encode(), "application/json")


def _add_public(app: FastAPI, router: Router) -> None:
    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return JSONResponse({"message": f"a request may have {MOST_BYTES:,} bytes; send fewer rows"}, TOO_LARGE)
        content_type = request.headers.get("content-type", "")
        answer = await router.answer(body, content_type, request.headers.get(UNIT_HEADER))
        return Response(answer.body, answer.status, {VERSION_HEADER: answer.version}, answer.content_type)

    @app.get("/health")
    async def health() -> Response:
        main = router.service.state.split.main
        server = router.service.servers.get(main)
        is_well = server is not None and server.is_running
        return JSONResponse({"model": router.service.state.model, "version": main}, 200 if is_well else AWAY)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(router.metrics.text(router.service), media_type="text/plain; version=0.0.4")


def _add_management(app: FastAPI, router: Router, token: str) -> None:
    service = router.service

    async def allowed(request: Request, act: Callable[[], Awaitable[Any]]) -> Response:
        """Run what a request asks for, if it bears the token; an error becomes a status and a message."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
            return JSONResponse({"message": "this needs the router's token"}, UNAUTHORIZED)
        try:
            return JSONResponse(await act())
        except ValidationError as error:
            return JSONResponse({"message": f"the request cannot be read: {error}"}, BAD_REQUEST)
        except OutdatedError as error:
            return JSONResponse({"message": str(error)}, CONFLICT)
        except TrainerError as error:
            detail = {"message": str(error), "error": type(error).__name__, "exit_code": error.exit_code}
            return JSONResponse(detail, BAD_REQUEST)
        except GoneError as error:
            return JSONResponse({"message": str(error)}, AWAY)

    @app.get("/deployment")
    async def state(request: Request) -> Response:
        async def act() -> Any:
            running = {version: server.is_running for version, server in service.servers.items()}
            return {**service.state.model_dump(mode="json"), "running": running}

        return await allowed(request, act)

    @app.put("/deployment/versions/{version}")
    async def start(request: Request, version: str) -> Response:
        async def act() -> Any:
            asked = StartRequest.model_validate_json(await request.body())
            await service.add(Share(version=version, percent=1).version, asked.digest)
            return service.state.model_dump(mode="json")

        return await allowed(request, act)

    @app.delete("/deployment/versions/{version}")
    async def remove(request: Request, version: str) -> Response:
        async def act() -> Any:
            await service.remove(version)
            return service.state.model_dump(mode="json")

        return await allowed(request, act)

    @app.put("/deployment/split")
    async def divide(request: Request) -> Response:
        async def act() -> Any:
            asked = DivideRequest.model_validate_json(await request.body())
            Split(shares=asked.shares)
            await service.divide(asked.shares, asked.revision)
            return service.state.model_dump(mode="json")

        return await allowed(request, act)

    @app.get("/deployment/versions/{version}/observations")
    async def observations(request: Request, version: str) -> Response:
        async def act() -> Any:
            if version not in service.observed:
                raise ConfigurationError(f"version {version} of {service.state.model} does not run")
            return service.observed[version].summary().model_dump(mode="json")

        return await allowed(request, act)

    @app.post("/deployment/versions/{version}/invocations")
    async def ask(request: Request, version: str) -> Response:
        async def act() -> Any:
            answer = await router.ask(version, await request.body(), request.headers.get("content-type", ""))
            return {"status": answer.status, "body": answer.body.decode(errors="replace")}

        return await allowed(request, act)


async def _body(request: Request) -> bytes | None:
    """Return a request's body, or None if it is too large."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)
