"""The versions of one model that serve: their processes, their shares of the traffic, and how they change."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from pydantic import ValidationError

from trainer.errors import ConfigurationError, TrainerError
from trainer.serving.exposures import Exposures
from trainer.serving.observed import Observed
from trainer.serving.state import STATE_FILE, RunningExperiment, ServedVersion, ServingState, read, write
from trainer.serving.traffic import WHOLE, Share, Split
from trainer.serving.version_server import start_server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from trainer.serving.exposures import Keep
    from trainer.serving.version_server import VersionServer

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds between two tries to start a process that has ended again and again."""
BETWEEN_CHECKS = 0.2


class OutdatedError(TrainerError):
    """A change that was asked for is based on a state that is no longer there."""


class Service:
    """The versions of one model that serve. All of its methods run in one event loop."""

    def __init__(
        self,
        model: str,
        folder: Path,
        first: tuple[str, str] | None = None,
        start: Callable[[str, str, str], Coroutine[Any, Any, VersionServer]] = start_server,
        keep_exposures: Keep | None = None,
    ) -> None:
        """Take up what a router of this model has served before, or a first version and its digest.

        :param keep_exposures: brings units of experiments into a database; without it no experiment can begin

        Raises ConfigurationError if its file is damaged.
        """
        found = read(folder, STATE_FILE, ServingState)
        if found is not None and found.model != model:
            raise ConfigurationError(f"{folder / STATE_FILE} is of the model {found.model}, not of {model}")
        self.folder, self.first, self.start = folder, first, start
        self.state = found or ServingState(model=model)
        self.servers: dict[str, VersionServer] = {}
        self.observed: dict[str, Observed] = {one.version: Observed() for one in self.state.versions}
        self.exposures = Exposures(folder, keep_exposures)
        self._changing = asyncio.Lock()
        self._starting = asyncio.Lock()
        """Apart, so that traffic can be given back while a process is being started."""
        self._keeping: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Start the process of each version that served before. Raises TrainerError if the main one cannot start."""
        for one in self.state.versions:
            try:
                await self._let_run(one)
            except TrainerError:
                if one.version == self.state.split.main:
                    raise
                logger.exception("version %s of %s cannot start again", one.version, self.state.model)
            self._keep(one)
        if self.state.experiment is not None or self.exposures.are_left:
            self.exposures.start()
        if self.first is not None:
            version, digest = self.first
            await self.add(version, digest)
            await self.divide((Share(version=version, percent=WHOLE),), self.state.revision)

    async def close(self) -> None:
        """End all processes; what they served is taken up by the next start."""
        for task in self._keeping.values():
            task.cancel()
        await asyncio.gather(*self._keeping.values(), return_exceptions=True)
        await asyncio.gather(*(server.stop() for server in self.servers.values()))
        self.servers = {}
        await self.exposures.close()

    async def add(self, version: str, digest: str) -> None:
        """Start a version without traffic; one that runs already stays. Raises TrainerError if it does not start."""
        known, served = self.state.digest_of(version), ServedVersion(version=version, digest=digest)
        if known and known != digest:
            raise ConfigurationError(
                f"{self.state.model} version {version} runs with files of another digest ({known}, asked for: "
                f"{digest}); remove it first"
            )
        await self._let_run(served)
        async with self._changing:
            if not self.state.digest_of(version):
                self._save(versions=(*self.state.versions, served))
                self.observed[version] = Observed()
                self._keep(served)

    async def _let_run(self, served: ServedVersion) -> None:
        """Start a version's process unless it runs."""
        async with self._starting:
            server = self.servers.get(served.version)
            if server is not None and server.is_running:
                return
            if server is not None:
                await server.stop(drain=0)
            self.servers[served.version] = await self.start(self.state.model, served.version, served.digest)

    async def remove(self, version: str) -> None:
        """End a version that gets no traffic; one that does not run is removed already."""
        async with self._starting, self._changing:
            if percent := self.state.split.percent_of(version):
                raise ConfigurationError(
                    f"{self.state.model} version {version} gets {percent:g} % of the traffic; give that to "
                    "another first"
                )
            self._save(versions=tuple(one for one in self.state.versions if one.version != version))
            task, server = self._keeping.pop(version, None), self.servers.pop(version, None)
            self.observed.pop(version, None)
        if task:
            task.cancel()
        if server:
            await server.stop()

    async def divide(self, shares: tuple[Share, ...], revision: int) -> None:
        """Divide the traffic otherwise, from the next request on.

        Raises OutdatedError unless the state is still that of a revision; ConfigurationError if a version does not run.
        """
        _refuse_part(shares)
        async with self._changing:
            if self.state.split.shares == shares:
                return
            if self.state.experiment is not None:
                raise ConfigurationError(
                    f"{self.state.model}: the experiment {self.state.experiment.name} divides the traffic; end it "
                    f"first: trainer experiment end {self.state.experiment.name}"
                )
            self._check(shares, revision)
            self._divide(shares)

    async def begin_experiment(self, name: str, shares: tuple[Share, Share], salt: str, revision: int) -> None:
        """Divide the traffic between A and B of an experiment; one that runs already stays.

        Raises what `divide` raises, and ConfigurationError if another experiment or a canary runs, or A does not have
        the traffic.
        """
        _refuse_part(shares)
        async with self._changing:
            if self.exposures.keep is None:
                raise ConfigurationError(
                    f"{self.state.model}: this router has no database for the units of experiments"
                )
            state, (a, b) = self.state, (share.version for share in shares)
            if state.experiment is not None and state.experiment.name != name:
                raise ConfigurationError(
                    f"{state.model}: the experiment {state.experiment.name} divides the traffic already; end it first"
                )
            if state.experiment is not None:
                return
            if len(state.split.shares) > 1:
                raise ConfigurationError(
                    f"{state.model}: version {state.split.shares[1].version} is on trial as a canary; begin the "
                    "experiment when that deployment has ended"
                )
            if state.split.main not in ("", a):
                raise ConfigurationError(
                    f"{state.model}: version {state.split.main} is in service, not version {a}; an experiment compares "
                    f"version {b} with the version in service: name that as model_a, or deploy version {a} first"
                )
            self._check(shares, revision)
            self._divide(shares, salt, RunningExperiment(name=name))
            self.exposures.start()

    async def end_experiment(self, name: str) -> None:
        """Give all traffic to version A, and bring all units into the database; one that does not run has ended.

        Raises OutageError if the database does not answer.
        """
        async with self._changing:
            running = self.state.experiment
            if running is not None and running.name == name:
                self._divide((Share(version=self.state.split.main, percent=WHOLE),), salt=secrets.token_hex(8))
        await self.exposures.flush()

    def _check(self, shares: tuple[Share, ...], revision: int) -> None:
        """Raise an error if the state is another one by now, or a version does not run."""
        if self.state.revision != revision:
            raise OutdatedError(
                f"{self.state.model}: what is served was changed meanwhile (revision {self.state.revision}, "
                f"expected {revision}); nothing was changed: look at it, and ask again"
            )
        for share in shares:
            server = self.servers.get(share.version)
            if server is None or not server.is_running:
                raise ConfigurationError(
                    f"{self.state.model} version {share.version} does not run, so it can get no traffic; start it first"
                )

    def _divide(self, shares: tuple[Share, ...], salt: str = "", experiment: RunningExperiment | None = None) -> None:
        before = self.state.split
        # A version on trial keeps its units while its share grows, and each trial has others.
        goes_on = {share.version for share in shares} <= {share.version for share in before.shares}
        after = Split(shares=shares, salt=salt or (before.salt if goes_on else secrets.token_hex(8)))
        previous = before.main if after.main != before.main else self.state.previous
        self._save(split=after, previous=previous, experiment=experiment)
        for version in self.observed:
            self.observed[version] = Observed()
        parts = ", ".join(f"version {share.version}: {share.percent:g} %" for share in shares)
        logger.info("%s: the traffic goes to %s", self.state.model, parts or "no version")

    def _save(self, **changes: object) -> None:
        state = self.state.model_copy(update={**changes, "revision": self.state.revision + 1})
        write(self.folder, STATE_FILE, state)
        self.state = state

    def _keep(self, served: ServedVersion) -> None:
        self._keeping[served.version] = asyncio.create_task(self._kept_running(served))

    def _is_started_again(self, version: str) -> bool:
        split = self.state.split
        return version == split.main or (self.state.experiment is not None and split.percent_of(version) > 0)

    async def _kept_running(self, served: ServedVersion) -> None:
        """Start a version's process again whenever it has ended, while the version is in service or in an experiment.

        A canary is on trial, and its end counts against it.
        """
        version, pause = served.version, BETWEEN_CHECKS
        while True:
            await asyncio.sleep(pause)
            server = self.servers.get(version)
            if (server is not None and server.is_running) or not self._is_started_again(version):
                pause = BETWEEN_CHECKS
                continue
            if server is not None:
                logger.error("%s has ended with %s: %s", server.name, server.process.returncode, server.last_words())
            try:
                await self._let_run(served)
            except TrainerError:
                logger.exception("version %s of %s cannot start again", version, self.state.model)
                pause = min(max(pause * 2, 1.0), LONGEST_PAUSE)


def _refuse_part(shares: tuple[Share, ...]) -> None:
    """Raise ConfigurationError unless shares make up all traffic, or none."""
    try:
        Split(shares=shares)
    except ValidationError as error:
        raise ConfigurationError(
            "; ".join(one["msg"].removeprefix("Value error, ") for one in error.errors())
        ) from error
