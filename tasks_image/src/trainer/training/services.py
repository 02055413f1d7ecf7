"""Services that a job starts before its work and stops after it: logger, alerts, MLflow."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Literal, Self

from trainer.errors import DataValidationError
from trainer.pipeline import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from mlflow import MlflowClient
    from mlflow.entities import Run

logger = logging.getLogger(__name__)


class RunConfig(Spec):
    """How the job's MLflow run is called.

    >>> RunConfig(experiment="bike-demand", name="nightly").tags
    {}
    """

    experiment: str
    name: str
    description: str = ""
    tags: dict[str, str] = {}


class LoggerService(Spec):
    """The package's logger, at a level of its own while the job runs.

    >>> LoggerService(level="DEBUG").level
    'DEBUG'
    """

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @contextlib.contextmanager
    def running(self) -> Iterator[logging.Logger]:
        """The logger; its former level comes back afterwards."""
        ours = logging.getLogger("trainer")
        before = ours.level
        ours.setLevel(self.level)
        try:
            yield ours
        finally:
            ours.setLevel(before)


class AlertsService(Spec):
    """Notifications of a job; they go to the log, since mails are Airflow's.

    >>> AlertsService(enabled=False).notify("Training done", "RMSE 12.3")
    """

    enabled: bool = True

    def notify(self, title: str, message: str) -> None:
        """Tell people; `title` is one line."""
        if self.enabled:
            logger.info("%s: %s", title, message)


class MlflowService(Spec):
    """MLflow at the store that the environment names.

    >>> MlflowService(registry_name="bikes").registry_name
    'bikes'
    """

    registry_name: str = ""
    """The registered model's name; empty for a job that registers nothing."""

    def client(self) -> MlflowClient:
        """A client of the tracking store and registry."""
        from trainer.registry.tracking import connect

        return connect()

    @contextlib.contextmanager
    def run_context(self, run_config: RunConfig) -> Iterator[Run]:
        """The MLflow run that the work is logged to: one that is active already, else a new one."""
        import mlflow

        from trainer.registry.tracking import ensure_experiment, killed_by_sigterm

        if (active := mlflow.active_run()) is not None:
            yield active
            return
        client = self.client()
        started = mlflow.start_run(
            experiment_id=ensure_experiment(client, run_config.experiment),
            run_name=run_config.name,
            description=run_config.description or None,
            tags=run_config.tags,
        )
        with killed_by_sigterm(client, started), started:
            yield started


class Services:
    """Starts the services of a job, stops them in reverse order, and reports and re-raises what went wrong.

    >>> with Services(LoggerService(), AlertsService(enabled=False), "nightly"):
    ...     pass
    """

    def __init__(self, log: LoggerService, alerts: AlertsService, job: str) -> None:
        self._log = log
        self._alerts = alerts
        self._job = job
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._log.running())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        try:
            if error is not None:
                issue = ": Data quality issue detected" if isinstance(error, DataValidationError) else ""
                self._alerts.notify(f"{self._job} failed{issue}", f"{type(error).__name__}: {error}")
        finally:
            self._stack.close()
        return False
