"""The deployment DAG of a pipeline: the steps of its flow, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, chain

from include.environment.settings import load_settings
from include.flows.pipeline_dags import dag_or_broken, given_to, new_dag, operator_of, read_pipelines, step_task
from include.flows.task_docs import deployment_docs
from include.mail import send
from trainer.errors import ConfigurationError
from trainer.run import deployment_key
from trainer.run.flow import DEPLOYMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import DAG

    from trainer.pipeline import Pipeline
    from trainer.run.flow import Step


def deployment_dags() -> Iterator[DAG]:
    """One DAG per pipeline that has `deployment`, where the environment names a target.

    A file that is wrong is shown by the DAGs of training.
    """
    for found in read_pipelines() if _has_target() else []:
        if found.pipeline is not None and found.pipeline.deployment is not None:
            yield dag_or_broken(found, deployment_dag, "deployment_broken")


def _has_target() -> bool:
    try:
        return bool(load_settings().serving)
    except ConfigurationError:  # every DAG of training says so
        return False


def promoted(pipeline: Pipeline) -> Asset:
    """Return the asset of which a promotion makes an event."""
    return Asset(name=f"{pipeline.name}_promoted", uri=f"promotion://{pipeline.registry.model}/{pipeline.name}")


def deployment_dag(pipeline: Pipeline, text: str) -> DAG:
    """The DAG `{name}_deployment`; `text` is the YAML that the pipeline was read from."""
    if pipeline.deployment is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `deployment`")
    settings = load_settings()
    with new_dag(
        pipeline,
        "deployment",
        deployment_docs(pipeline),
        [promoted(pipeline)],
        deployment_key,
        send.on_deployment_failure,
    ) as dag:
        run = f"{settings.artifact_store}/{pipeline.name}/" + "{{ run_id | run_key }}"
        operator = operator_of(pipeline, settings)
        chain(*(step_task(operator, step.name, run, **_given(step, pipeline, text)) for step in DEPLOYMENT))
    return dag


def _given(step: Step, pipeline: Pipeline, text: str) -> dict[str, Any]:
    """Return what the task of a step is given; the last one runs after failures too, to take the version back."""
    after = {"trigger_rule": "all_done", "cleans_up": True} if step.after_failure else {}
    return given_to(step, pipeline, text) | after
