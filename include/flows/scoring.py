"""The scoring DAG of a pipeline: the steps of its flow, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import chain

from include.environment.settings import load_settings
from include.flows.pipeline_dags import dag_or_broken, given_to, new_dag, operator_of, read_pipelines, step_task
from include.flows.task_docs import scoring_docs
from include.mail import send
from trainer.errors import ConfigurationError
from trainer.run import scoring_key
from trainer.run.flow import SCORING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import DAG

    from trainer.pipeline import Pipeline


def scoring_dags() -> Iterator[DAG]:
    """One DAG per pipeline that has `scoring`; a file that is wrong is shown by the DAGs of training."""
    for found in read_pipelines():
        if found.pipeline is not None and found.pipeline.scoring is not None:
            yield dag_or_broken(found, scoring_dag, "scoring_broken")


def scoring_dag(pipeline: Pipeline, text: str) -> DAG:
    """The DAG `{name}_scoring`; `text` is the YAML that the pipeline was read from."""
    if pipeline.scoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `scoring`")
    settings = load_settings()
    with new_dag(
        pipeline, "scoring", scoring_docs(pipeline), pipeline.scoring.schedule, scoring_key, send.on_scoring_failure
    ) as dag:
        run = f"{settings.artifact_store}/{pipeline.name}/" + "{{ run_id | run_key }}"
        operator = operator_of(pipeline, settings)
        chain(*(step_task(operator, step.name, run, **given_to(step, pipeline, text)) for step in SCORING))
    return dag
