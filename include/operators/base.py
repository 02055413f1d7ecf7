"""What every operator of a step shares: its command, when it is skipped, and what its end means."""

from __future__ import annotations

import json
import logging
import signal
import sys
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import BaseOperator, ObjectStoragePath
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from include.environment.settings import announce_run_folder, load_settings
from trainer.errors import FINAL_EXIT_CODES, LESS_MEMORY, ConfigurationError
from trainer.run import RunFolder
from trainer.run.flow import step_named
from trainer.run.outages import outage_explained
from trainer.run.ownership import refuse_other_run
from trainer.run.records import Failure, Result, StartResult

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""The exit code by which shells name an interruption from the keyboard."""
KILLED, ENDED = 128 + signal.SIGKILL, 128 + signal.SIGTERM
"""The exit codes by which containers and shells name a signal."""
OUT_OF_TIME = "the step had not ended when its time was over; raise `step_timeout_minutes`, or give it more cores"
LEFT_OUT = "left out by this run's parameters or its decision"
TRUE = "True"
LEVELS = logging.getLevelNamesMapping()


class StepFailedError(AirflowException):
    """A step failed in a way that a retry may mend."""


class HandedOver(Result, extra="allow"):
    """Whatever a step hands over."""


class StepOperator(BaseOperator):
    """One step of a run; its subclasses run it.

    :param step: the step's name
    :param run: address of the run folder (templated)
    :param algorithm: for steps that run once per algorithm
    :param worker: for steps that several workers share, the number of this one, from 1
    :param when: a template; the task is skipped unless it renders to `True`
    :param left_out: why the task is skipped then, for the run's summary; empty: its parameters or its decision say it
    :param parameters: run parameters as JSON (templated; only a first step takes them)
    :param pipeline: the pipeline's YAML (only a first step takes it)
    :param needs_start: skip where the step `start` did not get to its end
    :param cleans_up: run after an interruption from the keyboard as well
    :param connection: the Airflow connection of the place that the step reads or writes, if it needs one
    :param code_path: the folder inside the pipeline's repository that goes onto Python's path; None: it has none
    """

    interrupted: ClassVar[bool] = False
    """Set by an interruption from the keyboard: `airflow dags test` would go on with the steps beside the one hit."""

    python: ClassVar[str] = sys.executable
    template_fields: Sequence[str] = ("run", "when", "parameters")
    _killed = False

    def __init__(  # noqa: PLR0913
        self,
        *,
        step: str,
        run: str,
        algorithm: str = "",
        worker: int = 0,
        when: str = TRUE,
        left_out: str = "",
        parameters: str = "",
        pipeline: str = "",
        needs_start: bool = False,
        cleans_up: bool = False,
        connection: str | None = None,
        code_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.run = run
        self.algorithm = algorithm
        self.worker = worker
        self.when = when
        self.left_out = left_out
        self.parameters = parameters
        self.pipeline = pipeline
        self.needs_start = needs_start
        self.cleans_up = cleans_up
        self.connection = connection
        self.code_path = code_path

    @property
    def command(self) -> list[str]:
        """What is run; the same in every runtime, but for where Python is."""
        parameters = ["--parameters", self.parameters] if self.parameters else []
        return [self.python, "-m", "trainer", "step", self.step, *self._whose, *parameters]

    @property
    def checkout_command(self) -> list[str]:
        """What is run before, where the pipeline has code of its own: it fetches that."""
        return [self.python, "-m", "trainer", "checkout", "--step", self.step, *self._whose]

    @property
    def _whose(self) -> list[str]:
        algorithm = ["--algorithm", self.algorithm] if self.algorithm else []
        worker = ["--worker", str(self.worker)] if self.worker else []
        return ["--run", self.run, *algorithm, *worker]

    def opened(self, run_id: str) -> RunFolder:
        """The step's part of the run folder.

        Raises AirflowSkipException if there is nothing to do, and AirflowFailException if the folder is another run's.
        """
        if self.when != TRUE:
            self._keep_left_out()
            self._skip(f"left out: {self.left_out}" if self.left_out else LEFT_OUT)
        self._refuse_other_run(run_id)
        folder = self.run_folder()
        if step_named(self.step).begins:
            announce_run_folder(self.run)
        if self.needs_start and folder.at("start").result_or_none(StartResult) is None:
            self._skip("the step `start` did not get to its end: there is nothing to do here")
        if StepOperator.interrupted and not (self.needs_start or self.cleans_up):
            raise AirflowFailException("the run was interrupted: this step is not begun")
        return folder

    def _refuse_other_run(self, run_id: str) -> None:
        """A folder of another run is left as it is: not even the failure of this one is written there."""
        try:
            refuse_other_run(open_run(self.run), run_id)
        except ConfigurationError as error:
            raise AirflowFailException(str(error)) from error
        except Exception as error:
            raise outage_explained(error, self.run) from error

    def run_folder(self) -> RunFolder:
        """The step's part of the run folder."""
        return open_run(self.run).at(self.step, self.algorithm, self.worker)

    def raise_exit(self, exit_code: int, folder: RunFolder) -> NoReturn:
        """Raise what the exit code means, with the step's own message."""
        failure = self.own_failure(exit_code)
        self.raise_failure(self.kept(failure, folder, prefer_recorded=True), folder)

    def raise_failure(self, failure: Failure, folder: RunFolder, *, final: bool = False) -> NoReturn:
        """Raise what a failure means: final ones fail the task at once."""
        message = f"{folder.label}: {failure.error}: {failure.message}"
        if self._killed or failure.exit_code == INTERRUPTED:
            raise AirflowFailException(f"{message} (ended from outside: not retried)")
        if failure.exit_code in FINAL_EXIT_CODES:
            raise AirflowFailException(f"{message} ({FINAL_EXIT_CODES[failure.exit_code]}: no retry can change that)")
        if final:
            raise AirflowFailException(f"{message} (no retry can change that)")
        raise StepFailedError(message)

    def kept(self, failure: Failure, folder: RunFolder, *, prefer_recorded: bool = False, undo: bool = True) -> Failure:
        """The failure, kept in the run folder; with `prefer_recorded`, what the step itself said of the same end.

        `undo` makes the step undone; without it, a step that goes on somewhere can still come to its end.
        """
        try:
            recorded = folder.failure() if prefer_recorded else None
            if recorded is not None and recorded.exit_code == failure.exit_code:  # else of an earlier try
                return recorded
            folder.fail(failure, undo=undo)
        except Exception as error:  # noqa: BLE001  (a store that is away or read-only must not hide what happened)
            self.log.warning("the run folder %s cannot be used: %s: %s", folder.uri, type(error).__name__, error)
        return failure

    def _skip(self, why: str) -> NoReturn:
        """Skip the task; Airflow's own line about that is none of the step's, and can be left out of a log."""
        self.log.info("%s", why)
        raise AirflowSkipException(why)

    def _keep_left_out(self) -> None:
        """Keep why the step is left out, where a reason was given."""
        if not self.left_out:
            return
        try:
            self.run_folder().leave_out(self.left_out)
        except Exception as error:  # noqa: BLE001  (a store that is away must not fail what has nothing to do)
            self.log.warning("%s cannot be used: %s: %s", self.run, type(error).__name__, error)

    def keep_timeout(self, folder: RunFolder) -> None:
        """Keep that the task's time was over: the step itself only knows that it was told to end."""
        self.kept(self.own_failure(1, "StepTimeout", OUT_OF_TIME), folder)

    def own_failure(self, exit_code: int, error: str = "", message: str = "") -> Failure:
        """What can be said of an end that the step itself did not explain."""
        killed = exit_code < 0 or exit_code in {INTERRUPTED, KILLED, ENDED}
        return Failure(
            step=self.step,
            algorithm=self.algorithm,
            error=error or ("StepKilled" if killed else "StepFailed"),
            message=message or _how_it_ended(exit_code),
            exit_code=exit_code,
        )


def log_line(logger: Any, line: str) -> None:
    """Log a line of a step at the level that it names; a JSON record stays whole, for a log store to read."""
    level, _, rest = line.partition(" ")
    if level in LEVELS:
        logger.log(LEVELS[level], "%s", rest)
    else:
        logger.log(LEVELS.get(_level_of_record(line), logging.INFO), "%s", line)


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
    if exit_code in {-signal.SIGKILL, KILLED}:
        return f"the process was killed (SIGKILL); if memory ran out, {LESS_MEMORY}"
    if exit_code in {-signal.SIGTERM, ENDED}:
        return "the process was ended by SIGTERM"
    if exit_code < 0:
        return f"the process was ended by {signal.Signals(-exit_code).name}"
    return f"the process ended with exit code {exit_code} and gave no reason; its log has more"


def open_run(uri: str) -> RunFolder:
    """A run folder as Airflow reaches it: with its AWS connection where the environment names one."""
    connection = load_settings().aws_connection
    filesystem = ObjectStoragePath(uri, conn_id=connection).fs if uri.startswith("s3://") else None
    return RunFolder.open(uri, filesystem)
