"""The pipelines that Airflow knows, and the form of each one's training runs."""

from __future__ import annotations

from typing import Any

from include.agents.answers import Answer
from include.agents.clients import airflow
from include.agents.names import TRAINING

TAG = "training"
BROKEN = "broken"


class PipelineOfAirflow(Answer):
    """A pipeline, as its training DAG shows it."""

    name: str
    """The `model_type` of `trigger_training_job`."""
    dag_id: str
    description: str
    schedule: str
    """Empty: it is started by hand only."""
    tags: list[str]
    owners: list[str]
    is_paused: bool
    """Nothing starts while it is paused."""


class Pipelines(Answer):
    """The pipelines, and the DAGs of files that are wrong."""

    pipelines: list[PipelineOfAirflow]
    broken: list[str]
    """DAGs of pipeline files with a mistake; their pages in Airflow name it."""


def list_pipelines() -> Pipelines:
    """Return the pipelines that can be trained: name, schedule, tags, and whether they are paused.

    Raises ToolError if Airflow does not answer.
    """
    found = list(airflow().items("/dags", "dags", tags=[TAG], order_by="dag_id"))
    broken = [str(dag["dag_id"]) for dag in found if BROKEN in _tags(dag)]
    sound = [_pipeline(dag) for dag in found if dag["dag_id"] not in broken and str(dag["dag_id"]).endswith(TRAINING)]
    return Pipelines(pipelines=sound, broken=broken)


def _pipeline(dag: dict[str, Any]) -> PipelineOfAirflow:
    dag_id = str(dag["dag_id"])
    return PipelineOfAirflow(
        name=dag_id.removesuffix(TRAINING),
        dag_id=dag_id,
        description=str(dag.get("description") or ""),
        schedule=str(dag.get("timetable_summary") or ""),
        tags=_tags(dag),
        owners=[str(owner) for owner in dag.get("owners") or []],
        is_paused=bool(dag.get("is_paused")),
    )


def _tags(dag: dict[str, Any]) -> list[str]:
    return sorted(str(tag["name"]) for tag in dag.get("tags") or [])
