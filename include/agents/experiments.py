"""Experiments and runs in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.agents.answers import Answer, timestamp
from include.agents.clients import mlflow
from include.agents.errors import NotFoundError, ToolError
from include.agents.mlflow_api import PAGE, pairs, quoted
from include.agents.names import parse_mlflow_run

if TYPE_CHECKING:
    from include.agents.mlflow_api import MlflowApi

MOST_EXPERIMENTS = 20
RECENT_RUNS = 5
LOOKED_AT = 50
"""Newest runs of an experiment, among which its recent ones are; the others are their child runs."""
MOST_HISTORIES = 10
MOST_POINTS = 50
LONGEST_NAME = 500
GATE = "gate/"
"""Metrics of gates, which `get_decision` has with their reasons."""
PARENT = "mlflow.parentRunId"
SHOWN_TAGS = ("mlflow.parentRunId", "mlflow.runName", "trainer.", "data.")


class RecentRun(Answer):
    """A run of a pipeline, as its experiment lists it."""

    run_id: str
    name: str
    status: str
    started_at: str
    """ISO 8601, UTC."""
    metrics: dict[str, float]


class Experiment(Answer):
    """An experiment with its newest runs."""

    experiment_id: str
    name: str
    updated_at: str
    """ISO 8601, UTC."""
    recent_runs: list[RecentRun]


class Experiments(Answer):
    """The experiments changed last."""

    total: int
    """All experiments of that name, or all there are."""
    experiments: list[Experiment]
    message: str = ""


class Point(Answer):
    """A value of a metric."""

    step: int
    value: float


class ExperimentMetrics(Answer):
    """A run in MLflow: its last metrics, and the course of those that were logged more than once."""

    run_id: str
    name: str
    experiment_id: str
    status: str
    started_at: str
    ended_at: str
    """ISO 8601, UTC; empty while it runs."""
    metrics: dict[str, float]
    history: dict[str, list[Point]]
    """Of metrics that have steps, such as epochs; the last 50 points of each of at most 10 metrics."""
    parameters: dict[str, str]
    tags: dict[str, str]
    address: str
    """Its page in MLflow."""


def list_mlflow_experiments(experiment_name: str | None = None) -> Experiments:
    """Return the 20 experiments changed last, each with its 5 newest runs and their metrics.

    :param experiment_name: only the experiment of exactly this name
    Raises ToolError if there is none of this name, or if MLflow does not answer.
    """
    name = (experiment_name or "").strip()
    if len(name) > LONGEST_NAME:
        raise ToolError(f"experiment_name: at most {LONGEST_NAME} characters are allowed")
    api = mlflow()
    given: dict[str, Any] = {"max_results": PAGE, "order_by": ["last_update_time DESC"]}
    if name:
        given["filter"] = f"name = {quoted(name)}"
    found = list(api.pages("POST", "experiments/search", "experiments", **given))
    if name and not found:
        raise NotFoundError(f"MLflow has no experiment {name!r}; list_mlflow_experiments without a name lists them")
    shown = [_experiment(api, one) for one in found[:MOST_EXPERIMENTS]]
    more = len(found) - len(shown)
    message = f"{more} more experiments are not shown; give experiment_name" if more else ""
    return Experiments(total=len(found), experiments=shown, message=message)


def get_experiment_metrics(run_id: str) -> ExperimentMetrics:
    """Return the metrics, parameters and tags of a run in MLflow.

    :param run_id: 32 hexadecimal digits, as `list_mlflow_experiments` gives
    Raises ToolError if there is no such run, or if MLflow does not answer.
    """
    api, run_id = mlflow(), parse_mlflow_run(run_id)
    try:
        run = api.get("runs/get", run_id=run_id)["run"]
    except NotFoundError as error:
        raise NotFoundError(f"MLflow has no run {run_id}; list_mlflow_experiments lists runs") from error
    info, data = run["info"], run.get("data", {})
    logged = data.get("metrics", [])
    stepped = sorted(str(one["key"]) for one in logged if int(one.get("step", 0)) > 0)
    tags = pairs(data.get("tags"))
    return ExperimentMetrics(
        run_id=run_id,
        name=str(info.get("run_name", "")),
        experiment_id=str(info["experiment_id"]),
        status=str(info["status"]),
        started_at=timestamp(info.get("start_time")),
        ended_at=timestamp(info.get("end_time")),
        metrics=_metrics(logged),
        history={key: _history(api, run_id, key) for key in stepped[:MOST_HISTORIES]},
        parameters={key: str(value) for key, value in pairs(data.get("params")).items()},
        tags={key: str(value) for key, value in tags.items() if key.startswith(SHOWN_TAGS)},
        address=f"{api.address}/#/experiments/{info['experiment_id']}/runs/{run_id}",
    )


def _experiment(api: MlflowApi, found: dict[str, Any]) -> Experiment:
    newest = api.post(
        "runs/search", experiment_ids=[found["experiment_id"]], max_results=LOOKED_AT, order_by=["start_time DESC"]
    ).get("runs", [])
    parents = [run for run in newest if PARENT not in pairs(run["data"].get("tags"))]
    return Experiment(
        experiment_id=str(found["experiment_id"]),
        name=str(found["name"]),
        updated_at=timestamp(found.get("last_update_time")),
        recent_runs=[_recent(run) for run in parents[:RECENT_RUNS]],
    )


def _recent(run: dict[str, Any]) -> RecentRun:
    info, metrics = run["info"], _metrics(run["data"].get("metrics", []))
    return RecentRun(
        run_id=str(info["run_id"]),
        name=str(info.get("run_name", "")),
        status=str(info["status"]),
        started_at=timestamp(info.get("start_time")),
        metrics={name: value for name, value in metrics.items() if not name.startswith(GATE)},
    )


def _metrics(logged: list[dict[str, Any]]) -> dict[str, float]:
    """Return the metrics that are numbers: JSON has no others."""
    values = {str(one["key"]): float(one["value"]) for one in logged}
    return {name: value for name, value in values.items() if value - value == 0}


def _history(api: MlflowApi, run_id: str, key: str) -> list[Point]:
    points = list(api.pages("GET", "metrics/get-history", "metrics", run_id=run_id, metric_key=key, max_results=PAGE))
    values = {int(one.get("step", 0)): float(one["value"]) for one in points}
    return [Point(step=step, value=values[step]) for step in sorted(values) if values[step] - values[step] == 0][
        -MOST_POINTS:
    ]
