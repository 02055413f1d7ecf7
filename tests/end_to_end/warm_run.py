"""`python -m tests.end_to_end.warm_run STEPS SCORING ARGUMENTS`: `make run` with fork servers that it is given.

The numbers are descriptors: of the servers that are launched otherwise, in this process and in that of Airflow.
"""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from include.laptop import airflow_command, run_once
from include.operators import step_servers
from trainer.process.forked import ForkServer

SCORING = "WARM_RUN_SCORING_SERVER"
"""The variable by which Airflow's process gets its descriptor."""
AIRFLOW = [sys.executable, "-m", "include.laptop.airflow_command"]


def main() -> int:
    """Return the exit code of `make run`."""
    steps, scoring = int(sys.argv.pop(1)), int(sys.argv.pop(1))
    os.environ[SCORING] = str(scoring)

    def start(command: list[str], *, pass_fds: list[int], **options: Any) -> subprocess.Popen[bytes]:
        assert command[: len(AIRFLOW)] == AIRFLOW
        own = [sys.executable, "-m", "tests.end_to_end.warm_run", *command[len(AIRFLOW) :]]
        return subprocess.Popen(own, pass_fds=[*pass_fds, scoring], **options)

    with patch.multiple(
        run_once,
        launch_step_server=lambda _: ForkServer.inherited(steps),
        subprocess=SimpleNamespace(Popen=start, TimeoutExpired=subprocess.TimeoutExpired),
    ):
        return run_once.main()


def run_airflow() -> None:
    """Run Airflow's command; its steps score models by the server that is given."""
    scoring = int(os.environ[SCORING])
    with patch.object(step_servers, "launch_scoring_server", lambda: ForkServer.inherited(scoring)):
        airflow_command.main()


if __name__ == "__main__":
    if SCORING in os.environ:
        run_airflow()
    sys.exit(main())
