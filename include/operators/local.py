"""A step as a child process of Airflow's own: what a laptop needs, without Docker or a cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowTaskTimeout

from include.environment.connections import login_of, withheld_from, withheld_from_checkout
from include.environment.settings import credentials, inherited_environment, load_settings, step_environment
from include.operators.base import INTERRUPTED, HandedOver, StepOperator, log_line
from include.operators.step_servers import step_servers
from trainer.connections import is_connection
from trainer.environment import secrets
from trainer.errors import ConfigurationError
from trainer.process.forked import ForkServerEndedError
from trainer.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from include.environment.settings import Settings
    from trainer.process.forked import ForkedProcess

STOP_WITH_PARENT = "TRAINER_STOP_WITH_PARENT"
SECONDS_TO_END = 5


class LocalStepOperator(StepOperator):
    """Runs a step in a child process of its own process group, its output in the task's log."""

    ui_color = "#e6eef7"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._process: subprocess.Popen[str] | ForkedProcess | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step; returns its result. A failure that no retry can change is final."""
        folder = self.opened(str(context["run_id"]))
        try:
            exit_code = self._run_commands(self._environment(context), load_settings())
        except ConfigurationError as error:
            failure = self.own_failure(error.exit_code, type(error).__name__, str(error))
            self.raise_failure(self.kept(failure, folder), folder)
        except KeyboardInterrupt:
            StepOperator.interrupted = True
            self.raise_exit(INTERRUPTED, folder)
        except AirflowTaskTimeout:
            self.keep_timeout(folder)
            raise
        if exit_code != 0:
            self.raise_exit(exit_code, folder)
        return folder.result(HandedOver).model_dump(mode="json")

    def on_kill(self) -> None:
        """End the child process and everything that it has started."""
        self._killed = True
        self._end_group()

    def _run_commands(self, environment: dict[str, str], settings: Settings) -> int:
        """Fetch the pipeline's own code, where it has some, then run the step; returns the first exit code but 0.

        :param environment: of every step of the run; what this one does not need is left away
        """
        withheld, away = withheld_from(self.step, settings), withheld_from_checkout(settings)
        of_checkout = {
            name: value for name, value in environment.items() if not is_connection(name) and name not in away
        }
        environment = {name: value for name, value in environment.items() if name not in withheld}
        with self._code_folder() as code:
            own = {} if code is None else {"TRAINER_CODE": str(code)}
            if code is not None and (failed := self._run_to_end(self.checkout_command, {**of_checkout, **own})):
                return failed
            if code is not None:
                path = [str(code / str(self.code_path)), environment.get("PYTHONPATH")]
                own["PYTHONPATH"] = os.pathsep.join(filter(None, path))
            return self._run_to_end(self.command, {**environment, **own})

    @contextlib.contextmanager
    def _code_folder(self) -> Iterator[Path | None]:
        if self.code_path is None:
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="code-") as folder:
            yield Path(folder)

    def _environment(self, context: Context) -> dict[str, str]:
        settings = load_settings()
        own = {
            "TRAINER_AIRFLOW_RUN_ID": str(context["run_id"]),
            "TRAINER_PIPELINE": self.pipeline,
            "PYTHONUNBUFFERED": "1",
            STOP_WITH_PARENT: "1",
        }
        logins = {**credentials(settings), **login_of(self.connection)}
        return {**inherited_environment(), **step_environment(settings), **logins, **own}

    def _run_to_end(self, command: list[str], environment: dict[str, str]) -> int:
        self._process = self._start(command, environment)
        threading.Thread(target=self._end_group_after_step, name="end-group-after-step", daemon=True).start()
        with self._process as process:
            hidden = secrets(environment)
            try:
                for line in process.stdout or ():
                    log_line(self.log, without_secrets(line.rstrip(), hidden))
                return process.wait()
            finally:
                self._end_group()

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[str] | ForkedProcess:
        """Start a command in a process group of its own.

        Its stdin stays open for as long as this process lives: its end tells the child that nobody waits any more.
        A fork server's libraries would win over those of a pipeline's own code, so that has an interpreter of its own.
        """
        servers = step_servers() if self.code_path is None else None
        if servers is not None and command[:1] == [self.python]:
            try:
                return servers.start(command[1:], environment)
            except ForkServerEndedError as error:
                self.log.warning("%s: this step starts an interpreter of its own", error)
        return subprocess.Popen(  # noqa: S603  (our own command)
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _end_group_after_step(self) -> None:
        """What a killed step had started would keep its output open, and the task waiting."""
        if self._process is not None:
            self._process.wait()
            self._end_group()

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
