"""The training DAG of a pipeline; it reads like the list of steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskGroup, chain, task
from airflow.sdk.exceptions import AirflowFailException

from include.environment.connections import connection_of
from include.environment.settings import load_settings
from include.flows.deployment import promoted
from include.flows.pipeline_dags import START_DATE, dag_or_broken, new_dag, operator_of, read_pipelines, step_task
from include.flows.queued import queued_alert
from include.flows.retraining import training_schedule
from include.flows.run_form import MOST_GPUS, PARAMETERS, PARAMETERS_AND_TRIGGER, chooses, run_form, with_trigger
from include.flows.task_docs import TASK_DOCS, dag_docs
from include.mail import send
from include.operators.base import open_run
from trainer.decision import decide_run
from trainer.errors import TrainerError
from trainer.run import run_key
from trainer.run.execute import execute
from trainer.run.flow import APPROVE, APPROVE_START, REFIT, in_stages, steps_of
from trainer.run.left_out import NOT_TO_PRODUCTION, never_published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.sdk import DAG

    from include.environment.settings import Settings
    from include.operators.base import StepOperator
    from trainer.pipeline import Pipeline
    from trainer.run.flow import Step

PASSED = "{{ ti.xcom_pull(task_ids='%s')['outcome'] == 'promote' }}"
"""Of the task whose outcome counts: `decide`, or `approve` in pipelines that have it."""
TO_PRODUCTION = "{{ params.promote_to == 'production' }}"
MAY_PROMOTE = "{{ params.promote_to != 'none' }}"


def training_dags() -> Iterator[DAG]:
    """One DAG per pipeline file; a file that is wrong becomes a DAG that says so, and harms no other."""
    for found in read_pipelines():
        yield dag_or_broken(found, training_dag)


def training_dag(pipeline: Pipeline, text: str) -> DAG:
    """The DAG `{name}_training`; `text` is the YAML that the pipeline was read from.

    The step `start` takes it as it is: writing the pipeline out again would take longer than the rest of the DAG.
    """
    settings = load_settings()
    with new_dag(
        pipeline, "training", dag_docs(pipeline), training_schedule(pipeline, START_DATE), run_key,
        send.on_run_failure, deadline=queued_alert(pipeline),
    ) as dag:  # fmt: skip
        if pipeline.retrain is not None:
            dag.user_defined_filters = {**(dag.user_defined_filters or {}), "with_trigger": with_trigger}
        run = f"{settings.artifact_store}/{pipeline.name}/" + "{{ run_id | run_key }}"
        make = partial(step_task, operator_of(pipeline, settings), run=run, code_path=_code_path(pipeline))

        before, own, after = in_stages(steps_of(pipeline))
        first = [_task(one, make, pipeline, text, run) for one in before]
        last = {one.name: _task(one, make, pipeline, text, run) for one in after}
        notify = _notify(run)

        asked = [_ask(APPROVE_START, pipeline, run)] if pipeline.approval.start else []
        chain(*asked, *first)
        for name in pipeline.algorithms:
            workers, (tune, train) = _candidate(name, own, pipeline.tuning.workers, make)
            first[-1] >> [*workers, tune]
            workers >> tune >> train >> [last[REFIT], last["report"]]
        chain(*last.values(), notify)
        [last["decide"], last["promote"], last["publish_features"]] >> notify
        # Given to the DAG before, the form would be copied into every task, which finds it on its DAG anyway.
        most_gpus = 0 if settings.runtime == "kubernetes" and settings.kubernetes.gpu is None else MOST_GPUS
        dag.params = run_form(pipeline, most_gpus)  # type: ignore[assignment]  # Airflow converts and validates it
    return dag


def _code_path(pipeline: Pipeline) -> str | None:
    return pipeline.code.path if pipeline.code else None


def _task(step: Step, make: Callable[..., StepOperator], pipeline: Pipeline, text: str, run: str) -> Any:
    """The task of a step that runs once per run."""
    if step.runs_in == "airflow":
        return _decide(run) if step.name == "decide" else _ask(step.name, pipeline, run)
    given: dict[str, Any] = {"connection": connection_of(pipeline, step.name)} if step.uses else {}
    if step.begins:
        given |= {"parameters": PARAMETERS_AND_TRIGGER if pipeline.retrain else PARAMETERS, "pipeline": text}
    if step.name == REFIT:
        given["trigger_rule"] = "none_failed_min_one_success"  # a run may leave algorithms out
    if step.after_failure:
        given |= {"trigger_rule": "all_done", "needs_start": True}
    if step.only_if == "to_production":
        given |= _published(pipeline, load_settings())
    elif step.only_if == "promoted":
        given["when"] = PASSED % (APPROVE if pipeline.approval.when != "never" else "decide")
    elif step.only_if == "may_promote":
        given["when"] = MAY_PROMOTE
        if pipeline.deployment is not None:
            given["outlets"] = [promoted(pipeline)]
    return make(step.name, **given)


def _candidate(
    algorithm: str, steps: list[Step], workers: int, make: Callable[..., StepOperator]
) -> tuple[list[StepOperator], list[StepOperator]]:
    """The tasks of one algorithm: those of the workers that share its study, and those that follow one another.

    The first of these, `tune`, completes the study, whatever has become of the workers.
    """
    chosen = {"algorithm": algorithm, "when": chooses(algorithm)}
    with TaskGroup(algorithm, tooltip=f"Tune and train {algorithm}"):
        shared = [
            make(step.name, task_id=f"{step.name}_{number}", worker=number, **chosen)
            for step in steps
            if step.once_per == "worker"
            for number in range(1, workers + 1)
        ]
        first, *others = [step.name for step in steps if step.once_per == "algorithm"]
        after_workers = {"trigger_rule": "all_done_min_one_success"} if shared else {}
        return shared, [make(first, **chosen, **after_workers), *(make(name, algorithm=algorithm) for name in others)]


def _published(pipeline: Pipeline, settings: Settings) -> dict[str, str]:
    """When features go to the feature store, or why they never do."""
    never = never_published(pipeline, settings.feature_store.address)
    return {"when": "False" if never else TO_PRODUCTION, "left_out": never or NOT_TO_PRODUCTION}


def _decide(run: str) -> Any:
    """The decision, in Airflow's own process: figures and limits in, verdict out."""

    @task(task_id="decide", doc_md=TASK_DOCS["decide"])
    def decide(run: str) -> dict[str, Any]:
        folder = open_run(run)
        try:
            return execute(decide_run, folder.pipeline(), folder.at("decide")).model_dump(mode="json")
        except TrainerError as error:
            if error.retry_can_help:
                raise
            raise AirflowFailException(f"{type(error).__name__}: {error}") from error

    return decide(run)


def _ask(name: str, pipeline: Pipeline, run: str) -> Any:
    """Return the task that asks a person."""
    from include.operators.approval import ApprovePromotionOperator, ApproveStartOperator  # most pipelines ask nobody

    operator = ApprovePromotionOperator if name == APPROVE else ApproveStartOperator
    return operator(task_id=name, run=run, pipeline=pipeline, doc_md=TASK_DOCS[name])


def _notify(run: str) -> Any:
    """The mail that a run ended well: the last task, so that it is sent once; a dead mail server never fails it."""

    @task(task_id="notify", doc_md=TASK_DOCS["notify"], trigger_rule="none_failed")
    def notify(run: str) -> str:
        return send.on_run_success(run)

    return notify(run)
