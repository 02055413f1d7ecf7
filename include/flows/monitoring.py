"""The monitoring DAG of a pipeline: the steps of its flow, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import chain

from include.environment.settings import load_settings
from include.flows.pipeline_dags import dag_or_broken, given_to, new_dag, operator_of, read_pipelines, step_task
from include.flows.retraining import retrain_task
from include.flows.task_docs import monitoring_docs
from include.mail import send
from trainer.errors import ConfigurationError
from trainer.run import monitoring_key
from trainer.run.flow import RETRAIN, monitoring_steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import DAG

    from trainer.pipeline import Pipeline


def monitoring_dags() -> Iterator[DAG]:
    """One DAG per pipeline that has `monitoring`; a file that is wrong is shown by the DAGs of training."""
    for found in read_pipelines():
        if found.pipeline is not None and found.pipeline.monitoring is not None:
            yield dag_or_broken(found, monitoring_dag, "monitoring_broken")


def monitoring_dag(pipeline: Pipeline, text: str) -> DAG:
    """The DAG `{name}_monitoring`; `text` is the YAML that the pipeline was read from."""
    monitoring = pipeline.monitoring
    if monitoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `monitoring`")
    settings, steps = load_settings(), monitoring_steps_of(pipeline)
    docs, failed = monitoring_docs(pipeline), send.on_monitoring_failure
    with new_dag(pipeline, "monitoring", docs, monitoring.schedule, monitoring_key, failed) as dag:
        run = f"{settings.artifact_store}/{pipeline.name}/" + "{{ run_id | run_key }}"
        operator = operator_of(pipeline, settings)
        chain(
            *(
                retrain_task(pipeline, run)
                if step.name == RETRAIN
                else step_task(operator, step.name, run, **given_to(step, pipeline, text))
                for step in steps
            )
        )
    return dag
