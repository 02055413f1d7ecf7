"""`make run`: one run of a pipeline's DAG in this terminal, and its summary."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from include.settings import load_settings
from trainer.colour import painted
from trainer.errors import ConfigurationError
from trainer.run import RunFolder
from trainer.run.latest import LATEST
from trainer.run.rendering import render
from trainer.run.summary import build_summary, write_summary

if TYPE_CHECKING:
    from types import FrameType

SECONDS_TO_END = 20
INTERRUPTED = 130


def main() -> int:
    """Run `airflow dags test`, then print the summary; returns the command's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipeline")
    parser.add_argument("--parameters", default="", metavar="JSON")
    arguments = parser.parse_args()
    try:
        before = _latest()
    except ConfigurationError as error:
        _say(str(error))
        return error.exit_code
    began = time.monotonic()
    run = _Run([*_command(arguments.pipeline, arguments.parameters)])
    exit_code = run.wait()
    folder = _latest()
    if run.interrupted:
        where = f"; its folder: {folder}" if folder not in (None, before) else ""
        _say(
            f"Interrupted after {time.monotonic() - began:.0f} s: the run has ended and nothing is left running{where}"
        )
        return INTERRUPTED
    if not _store_is_local():
        _say(f"Exit code {exit_code}; the run's summary is in {load_settings().artifact_store}/{arguments.pipeline}/")
        return exit_code
    if folder is None or folder == before:
        _say(f"The run did not get through its first step (exit code {exit_code}); the log above says why.")
        return exit_code or 1
    summary = build_summary(RunFolder.open(str(folder)), time.monotonic() - began)
    write_summary(RunFolder.open(str(folder)), summary)
    _say("\n" + render(summary))
    return exit_code


class _Run:
    """The Airflow command as a process group of its own, ended as a whole by an interruption."""

    def __init__(self, command: list[str]) -> None:
        self.interrupted = False
        self._end_by = math.inf
        self._group = 0
        for sign in (signal.SIGINT, signal.SIGTERM):  # before the start: what a shell lets us ignore, the run must not
            signal.signal(sign, self._interrupt)
        self._process = subprocess.Popen(command, start_new_session=True)  # noqa: S603  (our own command)
        self._group = self._process.pid
        if self.interrupted:
            self._signal(signal.SIGINT)

    def wait(self) -> int:
        while True:  # in short waits: one without an end would outlast the interruption's deadline
            try:
                return self._process.wait(1)
            except subprocess.TimeoutExpired:
                if time.monotonic() > self._end_by:
                    self._signal(signal.SIGKILL)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """The first time let Airflow close its records; the second time make an end of it."""
        if self.interrupted:
            self._signal(signal.SIGKILL)
            return
        self.interrupted = True
        self._end_by = time.monotonic() + SECONDS_TO_END
        _say("Interrupted: ending the run; again, and it is cut off without closing its records …")
        self._signal(signal.SIGINT)

    def _signal(self, number: int) -> None:
        if not self._group:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, number)


def _command(pipeline: str, parameters: str) -> list[str]:
    airflow = str(Path(sys.executable).with_name("airflow"))
    conf = ["--conf", parameters] if parameters else []
    return [airflow, "dags", "test", f"{pipeline}_training", *conf]


def _store_is_local() -> bool:
    return load_settings().artifact_store.startswith("file://")


def _latest() -> Path | None:
    """The newest run folder of a local artifact store."""
    store = load_settings().artifact_store
    link = Path(store.removeprefix("file://")) / LATEST
    return link.resolve() if link.is_symlink() else None


def _say(text: str) -> None:
    sys.stdout.write(painted(text, sys.stdout) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
