"""MLflow as the steps use it: a parent run per pipeline run, found again by its tag, and child runs below it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from typing import TYPE_CHECKING, Any

from trainer.addresses import with_driver, without_login
from trainer.environment import cores_paid, read_environment, read_means
from trainer.errors import ConfigurationError
from trainer.process.sigterm import last_words
from trainer.run.cost import cost_of, dollars

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

PIPELINE_TAG = "trainer.pipeline"
"""Scheduled pipelines can share an experiment, and their runs a run key."""
RUN_KEY_TAG = "trainer.run_key"
TASK_TAG = "trainer.task"
PARENT_TASK = "parent"
PARENT_RUN_TAG = "mlflow.parentRunId"
LONGEST_PARAMETER = 6000
LONGEST_METRIC = 200
REQUESTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""What a request to a server may cost, unless the environment says otherwise: half a minute if it is refused, under
four minutes if nobody answers. MLflow's own figures are 4 and 20 minutes; an outage that is longer is the retry's."""


def connect() -> MlflowClient:
    """A client of the MLflow store that the environment names.

    A server's user and password go to MLflow apart from its address, which MLflow prints and puts into its errors.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_ALEMBIC_LOG_LEVEL", "WARNING")
    for name, value in REQUESTS.items():
        os.environ.setdefault(name, value)
    import mlflow

    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(_tracking_uri())
    return mlflow.MlflowClient()


def _tracking_uri() -> str:
    """The store's address without a login; that of a server is handed to MLflow as it asks for it."""
    given = read_environment().tracking_uri
    if not given.startswith(("http://", "https://")):
        return with_driver(given)
    address, user, password = without_login(given)
    for name, value in (("MLFLOW_TRACKING_USERNAME", user), ("MLFLOW_TRACKING_PASSWORD", password)):
        if value:
            os.environ[name] = value
    if address != given:
        os.environ["MLFLOW_TRACKING_URI"] = address  # MLflow reads it too, and so do the processes started here
    return address


def ensure_experiment(client: MlflowClient, name: str) -> str:
    """Return the id of an experiment, created with the environment's artifact location where it does not exist."""
    from mlflow import MlflowException

    if (experiment := client.get_experiment_by_name(name)) is not None:
        return _usable(experiment)
    location = read_environment().artifact_location
    try:
        return str(client.create_experiment(name, artifact_location=f"{location}/{name}" if location else None))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if (experiment := client.get_experiment_by_name(name)) is None:
            raise
        return _usable(experiment)  # another run has created it meanwhile


def _usable(experiment: Experiment) -> str:
    """Return an experiment's id. Raises ConfigurationError if somebody has deleted it: MLflow keeps its name taken."""
    if experiment.lifecycle_stage != "active":
        raise ConfigurationError(
            f"registry.experiment: {experiment.name!r} was deleted in MLflow; restore it with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`, or name another"
        )
    return str(experiment.experiment_id)


def find_run(client: MlflowClient, experiment_id: str, pipeline: str, run_key: str, task: str) -> Run | None:
    """The newest MLflow run of a task of a pipeline's run, or None."""
    query = f"{_of_run(pipeline, run_key)} AND tags.`{TASK_TAG}` = '{task}'"
    found = client.search_runs([experiment_id], query, max_results=1, order_by=["attributes.start_time DESC"])
    return found[0] if found else None


@contextlib.contextmanager
def child_run(client: MlflowClient, parent: Run, run: RunFolder, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
    """A new MLflow run below the parent for the step of a folder; the block's outcome becomes its status.

    One that an earlier, killed try left running is closed first. One that SIGTERM ends is KILLED.
    """
    import mlflow

    experiment_id = parent.info.experiment_id
    close_running(client, experiment_id, parent.data.tags[PIPELINE_TAG], run.key, run.label)
    own = {RUN_KEY_TAG: run.key, TASK_TAG: run.label, PARENT_RUN_TAG: parent.info.run_id}
    inherited = {
        key: value for key, value in parent.data.tags.items() if key.startswith(("data.", "trainer.", "code."))
    }
    active = mlflow.start_run(experiment_id=experiment_id, run_name=name, tags={**inherited, **tags, **own})
    with killed_by_sigterm(client, active), active:
        yield active


def killed_by_sigterm(client: MlflowClient, run: Run) -> contextlib.AbstractContextManager[None]:
    """Around an MLflow run's own block: where SIGTERM ends it, its status is KILLED, and not RUNNING or FAILED."""
    return last_words(lambda: client.set_terminated(run.info.run_id, "KILLED"))


def _of_run(pipeline: str, run_key: str) -> str:
    return f"tags.`{PIPELINE_TAG}` = '{pipeline}' AND tags.`{RUN_KEY_TAG}` = '{run_key}'"


def close_running(
    client: MlflowClient, experiment_id: str, pipeline: str, run_key: str, task: str | None = None, keep: str = ""
) -> None:
    """End as KILLED what an earlier try of a pipeline run left RUNNING; with `task`, of that task alone.

    `keep` is the parent run; another parent comes from a request that was repeated because no answer came in time.
    """
    query = f"{_of_run(pipeline, run_key)} AND attributes.status = 'RUNNING'"
    if task:
        query += f" AND tags.`{TASK_TAG}` = '{task}'"
    for left in client.search_runs([experiment_id], query):
        if left.info.run_id != keep:
            logger.warning("MLflow run %s was left running by an earlier try; it is closed", left.info.run_name)
            client.set_terminated(left.info.run_id, "KILLED")


def log_params(client: MlflowClient, run_id: str, params: Mapping[str, Any]) -> None:
    """Log parameters in one request, as texts that MLflow can hold."""
    from mlflow.entities import Param

    texts = {key: str(value)[:LONGEST_PARAMETER] for key, value in params.items()}
    client.log_batch(run_id, params=[Param(key, value) for key, value in texts.items()])


def log_metrics(client: MlflowClient, run_id: str, metrics: Mapping[str, float]) -> None:
    """Log metrics, as many with a request as MLflow takes."""
    import time

    from mlflow.entities import Metric
    from mlflow.utils.validation import MAX_METRICS_PER_BATCH

    now = int(time.time() * 1000)
    entities = [Metric(key, value, now, 0) for key, value in metrics.items()]
    for first in range(0, len(entities), MAX_METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=entities[first : first + MAX_METRICS_PER_BATCH])


def log_cost(client: MlflowClient, run_id: str, seconds: float) -> None:
    """Log what the cores and GPUs of this step cost for a time; without rates nothing is logged."""
    cores, means = cores_paid(), read_means()
    cost = cost_of(seconds, cores, means)
    kept = f"{cores:g} cores and {means.gpus} GPUs" + (f" on each of {means.nodes} nodes" if means.nodes > 1 else "")
    if cost is None:
        logger.info("%.1f s on %s; the cost is not counted, no rates are set", seconds, kept)
        return
    log_metrics(client, run_id, cost.metrics)
    logger.info("%.1f s on %s cost %s", seconds, kept, dollars(cost.total_usd))


def log_training_metrics(
    model_name: str, epoch: int, train_loss: float, val_loss: float | None = None, accuracy: float | None = None
) -> None:
    """Log how a training goes to the active MLflow run, at the time it happens; `epoch` counts from 1."""
    import mlflow

    figures = {"train_loss": train_loss, "val_loss": val_loss, "accuracy": accuracy}
    known = {name: value for name, value in figures.items() if value is not None}
    mlflow.log_metrics(known, step=epoch)
    logger.info(
        "%s, epoch %d: %s", model_name, epoch, ", ".join(f"{name} {value:.4g}" for name, value in known.items())
    )


def metric_names(texts: Iterable[str]) -> list[str]:
    """Names for MLflow from texts, in order: one word of what it allows, not too long, and no two the same."""
    names: list[str] = []
    for text in texts:
        name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:LONGEST_METRIC]
        same = sum(1 for other in names if other == name or other.startswith(f"{name}__"))
        names.append(f"{name}__{same + 1}" if same else name)
    return names
