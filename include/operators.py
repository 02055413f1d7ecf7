"""A step as an Airflow operator: the same command, whichever runtime the environment names."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import BaseOperator, ObjectStoragePath
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from include.settings import credentials, inherited_environment, load_settings, step_environment
from trainer.environment import secrets
from trainer.errors import FINAL_EXIT_CODES
from trainer.redaction import without_secrets
from trainer.run import RunFolder
from trainer.run.results import Failure, Result, StartResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

STOP_WITH_PARENT = "TRAINER_STOP_WITH_PARENT"
SECONDS_TO_END = 5
INTERRUPTED = 130
"""The exit code by which shells name an interruption from the keyboard."""
TRUE = "True"
LEVELS = logging.getLevelNamesMapping()


class StepFailedError(AirflowException):
    """A step failed in a way that a retry may mend."""


class AnyResult(Result, extra="allow"):
    """Whatever a step hands over."""


class LocalStepOperator(BaseOperator):
    """Runs `trainer step` in a child process of its own process group, its output in the task's log.

    :param step: the step's name
    :param run: address of the run folder (templated)
    :param algorithm: for steps that run once per algorithm
    :param when: a template; the task is skipped unless it renders to `True`
    :param parameters: run parameters as JSON (templated; `start` alone takes them)
    :param pipeline: the pipeline's YAML (`start` alone takes it)
    :param needs_start: skip where the step `start` did not get to its end
    """

    interrupted: ClassVar[bool] = False
    """Set by an interruption from the keyboard: `airflow dags test` would go on with the steps beside the one hit."""

    template_fields: Sequence[str] = ("run", "when", "parameters")
    ui_color = "#e6eef7"

    def __init__(  # noqa: PLR0913
        self,
        *,
        step: str,
        run: str,
        algorithm: str = "",
        when: str = TRUE,
        parameters: str = "",
        pipeline: str = "",
        needs_start: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.run = run
        self.algorithm = algorithm
        self.when = when
        self.parameters = parameters
        self.pipeline = pipeline
        self.needs_start = needs_start
        self._process: subprocess.Popen[str] | None = None
        self._killed = False

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; returns its result. A failure that no retry can change is final."""
        if self.when != TRUE:
            raise AirflowSkipException("left out by this run's parameters or its decision")
        folder = open_run(self.run).at(self.step, self.algorithm)
        if self.needs_start and folder.at("start").result_or_none(StartResult) is None:
            raise AirflowSkipException("the step `start` did not get to its end: there is nothing to do here")
        if LocalStepOperator.interrupted and not self.needs_start:
            raise AirflowFailException("the run was interrupted: this step is not begun")
        try:
            exit_code = self._run_to_end(self._environment(context))
        except KeyboardInterrupt:
            LocalStepOperator.interrupted = True
            self._raise(INTERRUPTED, folder)
        if exit_code != 0:
            self._raise(exit_code, folder)
        return folder.result(AnyResult).model_dump(mode="json")

    def on_kill(self) -> None:
        """End the child process and everything that it has started."""
        self._killed = True
        self._end_group()

    @property
    def command(self) -> list[str]:
        """What is run; the same arguments in every runtime."""
        arguments = ["step", self.step, "--run", self.run]
        arguments += ["--algorithm", self.algorithm] if self.algorithm else []
        arguments += ["--parameters", self.parameters] if self.parameters else []
        return [sys.executable, "-m", "trainer", *arguments]

    def _environment(self, context: Context) -> dict[str, str]:
        settings = load_settings()
        own = {
            "TRAINER_AIRFLOW_RUN_ID": str(context["run_id"]),
            "TRAINER_PIPELINE": self.pipeline,
            "PYTHONUNBUFFERED": "1",
            STOP_WITH_PARENT: "1",
        }
        return {**inherited_environment(), **step_environment(settings), **credentials(settings), **own}

    def _run_to_end(self, environment: dict[str, str]) -> int:
        # stdin stays open for as long as this process lives: its end tells the child that nobody waits for it any more.
        self._process = subprocess.Popen(  # noqa: S603  (our own command)
            self.command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._end_group_after_step, name="end-group-after-step", daemon=True).start()
        with self._process as process:
            hidden = secrets(environment)
            try:
                for line in process.stdout or ():
                    self._log(without_secrets(line.rstrip(), hidden))
                return process.wait()
            finally:
                self._end_group()

    def _end_group_after_step(self) -> None:
        """What a killed step had started would keep its output open, and the task waiting."""
        if self._process is not None:
            self._process.wait()
            self._end_group()

    def _log(self, line: str) -> None:
        """Log a line of the step at the level that it names; a JSON record stays whole, for a log store to read."""
        level, _, rest = line.partition(" ")
        if level in LEVELS:
            self.log.log(LEVELS[level], "%s", rest)
        else:
            self.log.log(LEVELS.get(_level_of_record(line), logging.INFO), "%s", line)

    def _end_group(self) -> None:
        """Ask the process group to end, then make it end."""
        process = self._process
        if process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, sign)
                process.wait(SECONDS_TO_END)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def _raise(self, exit_code: int, folder: RunFolder) -> NoReturn:
        """Raise what the exit code means, with the step's own message."""
        try:
            failure = self._recorded_failure(exit_code, folder)
        except Exception as error:  # noqa: BLE001  (a store that is away or read-only must not hide what the exit code says)
            self.log.warning("the run folder %s cannot be used: %s: %s", folder.uri, type(error).__name__, error)
            failure = self._own_failure(exit_code)
        message = f"{folder.label}: {failure.error}: {failure.message}"
        if exit_code in FINAL_EXIT_CODES:
            raise AirflowFailException(f"{message} ({FINAL_EXIT_CODES[exit_code]}: no retry can change that)")
        if self._killed or exit_code == INTERRUPTED:
            raise AirflowFailException(f"{message} (ended from outside: not retried)")
        raise StepFailedError(message)

    def _recorded_failure(self, exit_code: int, folder: RunFolder) -> Failure:
        """What the step said; one that could not say why gets a record."""
        failure = folder.failure()
        if failure is None or failure.exit_code != exit_code:  # none, or one of an earlier try
            failure = self._own_failure(exit_code)
            folder.fail(failure)
        return failure

    def _own_failure(self, exit_code: int) -> Failure:
        return Failure(
            step=self.step,
            algorithm=self.algorithm,
            error="StepKilled" if exit_code < 0 or exit_code == INTERRUPTED else "StepFailed",
            message=_how_it_ended(exit_code),
            exit_code=exit_code,
        )


def _level_of_record(line: str) -> str:
    """The level of a JSON record; empty for any other line."""
    try:
        record = json.loads(line) if line.startswith("{") else None
    except json.JSONDecodeError:
        return ""
    return str(record.get("level", "")) if isinstance(record, dict) else ""


def _how_it_ended(exit_code: int) -> str:
    if exit_code == INTERRUPTED:
        return "interrupted from the keyboard; nothing that it had begun counts"
    if exit_code == -signal.SIGKILL:
        return "the process was killed (SIGKILL); if memory ran out, lower `sample_ratio` or `batch_size`"
    if exit_code < 0:
        return f"the process was ended by {signal.Signals(-exit_code).name}"
    return f"the process ended with exit code {exit_code} and gave no reason; its log has more"


def open_run(uri: str) -> RunFolder:
    """A run folder as Airflow reaches it: with its AWS connection where the environment names one."""
    connection = load_settings().aws_connection
    filesystem = ObjectStoragePath(uri, conn_id=connection).fs if uri.startswith("s3://") else None
    return RunFolder.open(uri, filesystem)
