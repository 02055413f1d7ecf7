"""The DAG of a pipeline that asks a person to move production: by an agent's request, or by that of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

from include.environment.settings import load_settings
from include.flows.deployment import promoted
from include.flows.pipeline_dags import dag_or_broken, given_to, new_dag, operator_of, read_pipelines, step_task
from include.flows.task_docs import TASK_DOCS, request_docs
from include.mail import send
from include.operators.approval import ApproveRequestOperator
from trainer.run import request_key
from trainer.run.flow import APPROVE_REQUEST, REQUESTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import DAG

    from trainer.pipeline import Pipeline

AT_A_TIME = 16
"""Requests of a pipeline that may wait: one that nobody answers must not keep back a rollback."""
SAMPLE = "-sample"
"""What the model of runs on a built-in sample has at the end of its name."""


def request_dags() -> Iterator[DAG]:
    """One DAG per pipeline; a file that is wrong is shown by the DAGs of training."""
    for found in read_pipelines():
        if found.pipeline is not None:
            yield dag_or_broken(found, request_dag, "requests_broken")


def request_dag(pipeline: Pipeline, text: str) -> DAG:
    """Return the DAG `{name}_requests`; `text` is the YAML that the pipeline was read from."""
    settings = load_settings()
    with new_dag(pipeline, "requests", request_docs(pipeline), None, request_key, send.on_request_failure) as dag:
        run = f"{settings.artifact_store}/{pipeline.name}/" + "{{ run_id | run_key }}"
        docs = TASK_DOCS[APPROVE_REQUEST]
        before = ApproveRequestOperator(task_id=APPROVE_REQUEST, run=run, pipeline=pipeline, doc_md=docs)
        [step] = REQUESTS
        given = given_to(step, pipeline, text)
        if pipeline.deployment is not None:  # what has become production is deployed, forward or back
            given["outlets"] = [promoted(pipeline)]
        before >> step_task(operator_of(pipeline, settings), step.name, run, **given)
        dag.max_active_runs = AT_A_TIME
        dag.is_paused_upon_creation = False  # nothing starts it by itself
        dag.params = _form(pipeline)  # type: ignore[assignment]  # Airflow converts and validates it
    return dag


def _form(pipeline: Pipeline) -> dict[str, Param]:
    model = pipeline.registry.model
    return {
        "move": Param("promotion", type="string", enum=["promotion", "rollback"], title="Move"),
        "model": Param(model, type="string", enum=[model, f"{model}{SAMPLE}"], title="Registered model"),
        "version": Param(
            type="string", pattern="^[1-9][0-9]{0,9}$", title="Version",
            description_md="Promotion: what is to become production. Rollback: what production is now.",
        ),
        "reason": Param("", type="string", maxLength=1000, title="Reason"),
        "by_agent": Param(False, type="boolean", title="Asked for through an agent tool"),  # noqa: FBT003
    }  # fmt: skip
