"""The part of a router that changes what is served; it is for who bears the router's token."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from trainer.errors import ConfigurationError, TrainerError
from trainer.serving.observed import Observations  # noqa: TC001  (FastAPI reads it)
from trainer.serving.passing import BAD_REQUEST, UNAVAILABLE, GoneError, Passing
from trainer.serving.service import OutdatedError
from trainer.serving.traffic import Share, Version

if TYPE_CHECKING:
    from collections.abc import Callable

UNAUTHORIZED, CONFLICT = 401, 409


class StartRequest(BaseModel, frozen=True, extra="forbid"):
    """Asks for a version to be started."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class DivideRequest(BaseModel):
    """Asks for another division of the traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shares: tuple[Share, ...]
    revision: int
    """The state that the change is based on."""


class ExperimentRequest(BaseModel):
    """Asks for the traffic to be divided between the versions of an experiment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shares: tuple[Share, Share]
    """Of A, which is in service, and of B."""
    salt: Annotated[str, Field(min_length=8)]
    revision: int


def management(passing: Passing, token: str) -> APIRouter:
    """Return the routes below `/deployment`."""
    service = passing.service
    routes = APIRouter(prefix="/deployment", dependencies=[Depends(_bearing(token))])

    @routes.get("")
    async def state() -> dict[str, Any]:
        running = {version: server.is_running for version, server in service.servers.items()}
        return {**service.state.model_dump(mode="json"), "running": running}

    @routes.put("/versions/{version}")
    async def start(version: Version, asked: StartRequest) -> dict[str, Any]:
        await service.add(version, asked.digest)
        return service.state.model_dump(mode="json")

    @routes.delete("/versions/{version}")
    async def remove(version: Version) -> dict[str, Any]:
        await service.remove(version)
        return service.state.model_dump(mode="json")

    @routes.put("/split")
    async def divide(asked: DivideRequest) -> dict[str, Any]:
        await service.divide(asked.shares, asked.revision)
        return service.state.model_dump(mode="json")

    @routes.put("/experiments/{name}")
    async def begin(name: str, asked: ExperimentRequest) -> dict[str, Any]:
        await service.begin_experiment(name, asked.shares, asked.salt, asked.revision)
        return service.state.model_dump(mode="json")

    @routes.delete("/experiments/{name}")
    async def end(name: str) -> dict[str, Any]:
        await service.end_experiment(name)
        return service.state.model_dump(mode="json")

    @routes.get("/versions/{version}/observations")
    async def observations(version: Version) -> Observations:
        if version not in service.observed:
            raise ConfigurationError(f"version {version} of {service.state.model} does not run")
        return service.observed[version].summary()

    @routes.post("/versions/{version}/invocations")
    async def ask(version: Version, request: Request) -> dict[str, Any]:
        answer = await passing.ask(version, await request.body(), request.headers.get("content-type", ""))
        return {"status": answer.status, "body": answer.body.decode(errors="replace")}

    return routes


def _bearing(token: str) -> Callable[[Request], None]:
    def check(request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
            raise HTTPException(UNAUTHORIZED, "this needs the router's token")

    return check


def add_error_handlers(app: FastAPI) -> None:
    """Let an error of a change become a status and a message; one of ours keeps its name."""

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"message": error.detail}, error.status_code)

    @app.exception_handler(RequestValidationError)
    async def unreadable(_: Request, error: RequestValidationError) -> JSONResponse:
        details = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return JSONResponse({"message": f"the request cannot be read: {details}"}, BAD_REQUEST)

    @app.exception_handler(TrainerError)
    async def failed(_: Request, error: TrainerError) -> JSONResponse:
        status = CONFLICT if isinstance(error, OutdatedError) else BAD_REQUEST
        return JSONResponse({"message": str(error), "error": type(error).__name__}, status)

    @app.exception_handler(GoneError)
    async def gone(_: Request, error: GoneError) -> JSONResponse:
        return JSONResponse({"message": str(error)}, UNAVAILABLE)
