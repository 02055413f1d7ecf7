"""Fork servers that a worker's tests share: most of what a step or a model costs in a test is importing libraries."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import psutil
import pytest

from tests.kubernetes import processes
from trainer.environment import SCORING_SERVER
from trainer.isolated import scoring
from trainer.process.forked import ForkedProcess, ForkServer
from trainer.process.servers import launch_scoring_server, launch_step_server

SECONDS_TO_END = 60


class WarmServers:
    """A server for steps and one for models that are scored in isolation, each launched by the first that needs it."""

    @cached_property
    def steps(self) -> ForkServer:
        return launch_step_server({})

    @cached_property
    def scoring(self) -> ForkServer:
        return launch_scoring_server()

    def start(self, command: list[str], environment: Mapping[str, str], folder: Path) -> ForkedProcess:
        """Start what follows the interpreter in `command`, as a process with a session of its own."""
        return self.steps.start(command, environment, folder, {SCORING_SERVER: self.scoring.fileno()})

    def run(self, command: list[str], environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run such a command to its end; `stdout` holds its errors too."""
        with self.start(command, environment, folder) as process:
            output = process.stdout.read()
            return subprocess.CompletedProcess(command, process.wait(), output, "")

    def running_steps(self) -> list[psutil.Process]:
        """The processes that the server for steps has started and that have not ended."""
        server = self.steps._process
        assert server is not None
        children: list[psutil.Process] = psutil.Process(server.pid).children()
        return children

    def close(self) -> None:
        """End the servers that were launched."""
        launched = [server for server in vars(self).values() if isinstance(server, ForkServer)]
        for server in launched:
            server.close()
        for server in launched:
            server.wait(SECONDS_TO_END)


@pytest.fixture(scope="session", autouse=True)
def warm() -> Iterator[WarmServers]:
    """The worker's servers; models are scored by forks of one, and tests/trainer/isolated tries the other way too."""
    servers = WarmServers()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "_server", lambda: servers.scoring)
        patch.setattr(processes, "forks", lambda: servers.steps)
        yield servers
    servers.close()
