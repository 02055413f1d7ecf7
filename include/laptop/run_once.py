"""`make run`, `score`, `monitor` and `deploy`: one run of a pipeline's DAG in this terminal, and its summary."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from include.environment.settings import load_settings, run_environment, step_environment
from include.laptop.ui_lock import refuse_beside_scheduler
from trainer.errors import ConfigurationError
from trainer.process.colour import painted
from trainer.process.servers import launch_step_server
from trainer.run import RunFolder
from trainer.run.flow import DEPLOYMENT, MONITORING, SCORING, TRAINING
from trainer.run.folder import PIPELINE_FILE
from trainer.summary.deployment import deployment_lines
from trainer.summary.monitoring import monitoring_lines
from trainer.summary.scoring import scoring_lines
from trainer.summary.summary import build_summary, write_summary
from trainer.summary.terminal import render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from include.environment.settings import Settings
    from trainer.process.forked import ForkServer

SECONDS_TO_END = 60
"""Airflow marks what will not run level by level, one a second, and the report comes last: a quarter of it in all."""
SECONDS_FOR_SERVER = 10
"""The import that it is at comes to its end first."""
INTERRUPTED = 130
FIRST_STEPS = {
    "training": TRAINING[0].name, "scoring": SCORING[0].name, "monitoring": MONITORING[0].name,
    "deployment": DEPLOYMENT[0].name,
}  # fmt: skip
"""Of each flow."""
LINES = {"scoring": scoring_lines, "monitoring": monitoring_lines, "deployment": deployment_lines}
"""The lines at the end of a run, by flow; training has a summary of its own."""


def main() -> int:
    """Run `airflow dags test`, then print the summary; returns the command's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipeline")
    parser.add_argument("--parameters", default="", metavar="JSON")
    parser.add_argument("--flow", default="training", choices=FIRST_STEPS, help="which DAG of the pipeline")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        refuse_beside_scheduler(f"{arguments.pipeline}_{arguments.flow}")
    except ConfigurationError as error:
        _say(str(error))
        return error.exit_code
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="run-") as scratch, _step_server(settings) as server:
        announced = Path(scratch) / "folder"
        run = _Run(_command(arguments.pipeline, arguments.parameters, arguments.flow), announced, server)
        server.close()  # it ends with Airflow
        exit_code = run.wait()
        folder = announced.read_text(encoding="utf-8").removeprefix("file://") if announced.exists() else None
    if run.interrupted:
        how = "was cut off, its records are as they were" if run.cut_off else "has ended, its records are closed"
        where = f"; its folder: {folder}" if folder else ""
        _say(f"Interrupted after {time.monotonic() - began:.0f} s: the run {how}; nothing is left running{where}")
        return INTERRUPTED
    if folder is None or not _has_started(folder):
        _say(f"The run did not get through its first step (exit code {exit_code}){_why(folder, arguments.flow)}.")
        return exit_code or 1
    opened = _opened(folder)
    if (lines := LINES.get(arguments.flow)) is not None:
        _say("\n" + "\n".join(lines(opened)))
        return exit_code
    summary = build_summary(opened, time.monotonic() - began)
    write_summary(opened, summary)
    _say("\n" + render(summary))
    return exit_code


class _Run:
    """The Airflow command as a process group of its own, ended as a whole by an interruption."""

    def __init__(self, command: list[str], announced: Path, server: ForkServer | None = None) -> None:
        self.interrupted = False
        self.cut_off = False
        self._end_by = math.inf
        self._group = 0
        for sign in (signal.SIGINT, signal.SIGTERM):  # before the start: what a shell lets us ignore, the run must not
            signal.signal(sign, self._interrupt)
        given = [] if server is None else [server.fileno()]
        environment = run_environment(announced, *given)
        self._process = subprocess.Popen(  # noqa: S603  (our own command)
            command, env=environment, pass_fds=given, start_new_session=True
        )
        self._group = self._process.pid
        if self.interrupted:
            self._signal(signal.SIGINT)

    def wait(self) -> int:
        while True:  # in short waits: one without an end would outlast the interruption's deadline
            try:
                return self._process.wait(1)
            except subprocess.TimeoutExpired:
                if time.monotonic() > self._end_by:
                    self._cut_off()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """The first time let Airflow close its records; the second time make an end of it."""
        if self.interrupted:
            self._cut_off()
            return
        self.interrupted = True
        self._end_by = time.monotonic() + SECONDS_TO_END
        _say("Interrupted: ending the run, in about 15 s; again, and it is cut off without closing its records …")
        self._signal(signal.SIGINT)

    def _cut_off(self) -> None:
        self.cut_off = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if not self._group:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, number)


@contextlib.contextmanager
def _step_server(settings: Settings) -> Iterator[ForkServer]:
    """A fork server for the run's steps, which imports libraries while Airflow starts."""
    server = launch_step_server(step_environment(settings))
    try:
        yield server
    finally:
        server.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(SECONDS_FOR_SERVER)


def _command(pipeline: str, parameters: str, flow: str = "training") -> list[str]:
    conf = ["--conf", parameters] if parameters else []
    return [sys.executable, "-m", "include.laptop.airflow_command", "dags", "test", f"{pipeline}_{flow}", *conf]


def _has_started(folder: str) -> bool:
    opened = _opened(folder)
    return bool(opened.filesystem.exists(opened.path(PIPELINE_FILE)))


def _why(folder: str | None, flow: str) -> str:
    """Return why the first step failed, where it has kept that."""
    failure = None if folder is None else _opened(folder).at(FIRST_STEPS[flow]).failure()
    return "; the log above says why" if failure is None else f": {failure.error}: {failure.message.rstrip('.')}"


def _opened(address: str) -> RunFolder:
    if "://" not in address:
        return RunFolder.open(address)
    from include.operators.base import open_run  # Airflow takes seconds to import, and a local run needs none of it

    return open_run(address)


def _say(text: str) -> None:
    sys.stdout.write(painted(text, sys.stdout) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
