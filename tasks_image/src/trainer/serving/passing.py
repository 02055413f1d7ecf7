"""Passing requests on to versions: each is answered, whatever becomes of one version."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from trainer.serving.exposures import LONGEST_UNIT

if TYPE_CHECKING:
    from trainer.serving.metrics import Metrics
    from trainer.serving.observed import Outcome
    from trainer.serving.service import Service
    from trainer.serving.version_server import VersionServer

SECONDS_FOR_AN_ANSWER = 30.0
"""A version that takes longer has failed."""
SECONDS_TO_WAIT_FOR_A_START = 60.0
"""A request waits so long while the process of the main version is started again."""
SECONDS_TO_END = 1.0
"""A process that still runs so long after it was out of reach has not ended; it is asked again."""
BETWEEN_LOOKS = 0.02
MOST_BYTES_READ = 1_000_000
"""Of a response whose answers are looked at."""
BAD_REQUEST, FAILED, UNAVAILABLE = 400, 500, 503


@dataclass(frozen=True)
class Answer:
    """The answer of a version."""

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


class Passing:
    """Passes requests on to versions, and notes how they were answered."""

    def __init__(self, service: Service, metrics: Metrics) -> None:
        """Pass on to the versions of a service."""
        self.service, self.metrics = service, metrics

    async def answer(self, body: bytes, content_type: str, unit: str | None) -> Answer:
        """Return the answer of the version whose turn it is; where that fails, the answer of the main version."""
        split = self.service.state.split
        if not split.shares:
            text = f"no version of {self.service.state.model} has traffic yet; deploy one"
            return _error("", UNAVAILABLE, text)
        experiment = self.service.state.experiment
        if experiment is not None and unit is not None and len(unit) > LONGEST_UNIT:
            return _error(
                "", BAD_REQUEST, f"X-Unit-Id has {len(unit):,} characters; at most {LONGEST_UNIT} are allowed"
            )
        chosen = split.version_for(unit)
        answer = await self._asked(chosen, body, content_type)
        main = self.service.state.split.main  # it may be another one by now
        if answer.is_failure and chosen != main:
            answer = await self._asked(main, body, content_type)
        if experiment is not None and unit and answer.status < BAD_REQUEST:
            # By assignment, whichever version answered: else a version that fails would choose its units.
            self.service.exposures.note(experiment.name, unit, "a" if chosen == split.main else "b")
        return answer

    async def _asked(self, version: str, body: bytes, content_type: str) -> Answer:
        began = time.perf_counter()
        try:
            answer = await self._main_or_other(version, body, content_type)
        except GoneError as error:
            answer = _error(version, UNAVAILABLE, str(error))
        self._note(answer, time.perf_counter() - began)
        return answer

    async def _main_or_other(self, version: str, body: bytes, content_type: str) -> Answer:
        """Ask a version; the main one whose process has ended is asked once more when that runs anew.

        Only once: it may be this request that ends it.
        """
        asked = self.service.servers.get(version)
        try:
            return await self.ask(version, body, content_type)
        except GoneError:
            if version != self.service.state.split.main:
                raise
        await self._started_again(version, asked)
        return await self.ask(version, body, content_type)

    async def _started_again(self, version: str, ended: VersionServer | None) -> None:
        """Wait for another process of a version; one that is being killed refuses connections before it has ended."""
        began = time.monotonic()
        while (waited := time.monotonic() - began) < SECONDS_TO_WAIT_FOR_A_START:
            server = self.service.servers.get(version)
            if server is not None and server.is_running and (server is not ended or waited > SECONDS_TO_END):
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
            why = f"version {version} has not answered within {SECONDS_FOR_AN_ANSWER:g} s"
            return _error(version, UNAVAILABLE, why)

    def _note(self, answer: Answer, seconds: float) -> None:
        observed = self.service.observed.get(answer.version)
        outcome: Outcome = "failed" if answer.is_failure else "refused" if answer.status >= BAD_REQUEST else "answered"
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
