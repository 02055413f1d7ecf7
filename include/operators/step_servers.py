"""The fork servers of a run whose steps are all started by one process of Airflow's: `airflow dags test`, `make run`.

Under a scheduler each task is a process of its own, which starts its step's interpreter.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from include.environment.settings import given_step_server, load_settings, step_environment
from trainer.environment import SCORING_SERVER
from trainer.process.forked import ForkServer
from trainer.process.servers import launch_scoring_server, launch_step_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.process.forked import ForkedProcess

ONE_PROCESS = ["dags", "test"]
"""The command of Airflow's that runs all tasks of a run in its own process."""


@dataclass(frozen=True)
class StepServers:
    """A server for steps, and one that each step is handed for models that it scores in isolation."""

    steps: ForkServer
    scoring: ForkServer

    def start(self, command: list[str], environment: Mapping[str, str]) -> ForkedProcess:
        """Start a step; `command` is what follows the interpreter. Raises ForkServerEndedError."""
        return self.steps.start(command, environment, Path.cwd(), {SCORING_SERVER: self.scoring.fileno()})


def is_one_process() -> bool:
    """Return True in a run whose tasks all run in this process: no scheduler takes a person's answer."""
    return sys.argv[1:3] == ONE_PROCESS


@functools.cache
def step_servers() -> StepServers | None:
    """This run's servers, launched by the first step that asks unless `make run` has; None under a scheduler."""
    if not is_one_process():
        return None
    given = given_step_server()
    steps = launch_step_server(step_environment(load_settings())) if given is None else ForkServer.inherited(given)
    return StepServers(steps, launch_scoring_server())
