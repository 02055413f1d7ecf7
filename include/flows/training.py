"""The DAG of a pipeline; it reads like the list of steps."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, TaskGroup, chain, task
from airflow.sdk.exceptions import AirflowFailException

from include.environment.connections import connection_of
from include.environment.settings import load_settings, pipelines_folder
from include.flows.queued import queued_alert
from include.flows.run_form import MOST_GPUS, PARAMETERS, chooses, gpus_or, run_form
from include.flows.task_docs import TASK_DOCS, dag_docs
from include.mail import send
from include.operators.base import open_run
from include.operators.local import LocalStepOperator
from include.operators.pods.placement import check_placements, placement_of
from trainer.decision import decide_run
from trainer.errors import ConfigurationError, TrainerError
from trainer.pipeline import UNSTORABLE, parse_pipeline, read_text, refuse_same_name
from trainer.run import run_key
from trainer.run.execute import execute
from trainer.run.flow import APPROVE, APPROVE_START, REFIT, in_stages, placed_as, steps_of
from trainer.run.left_out import NOT_TO_PRODUCTION, never_published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from include.environment.settings import Settings
    from include.operators.base import StepOperator
    from trainer.pipeline import Pipeline
    from trainer.run.flow import Step

START_DATE = datetime(2024, 1, 1, tzinfo=UTC)
PASSED = "{{ ti.xcom_pull(task_ids='%s')['outcome'] == 'promote' }}"
"""Of the task whose outcome counts: `decide`, or `approve` in pipelines that have it."""
TO_PRODUCTION = "{{ params.promote_to == 'production' }}"
MAY_PROMOTE = "{{ params.promote_to != 'none' }}"


def training_dags() -> Iterator[DAG]:
    """One DAG per pipeline file; a file that is wrong becomes a DAG that says so, and harms no other."""
    names: dict[str, str] = {}
    files = [_read(file) for file in sorted(pipelines_folder().glob("*.yaml"))]
    # A copy that nobody has renamed must not take the DAG of the file that is named like its pipeline.
    for file, text, pipeline in sorted(files, key=lambda one: getattr(one[2], "name", "") != one[0].stem):
        try:
            if isinstance(pipeline, Exception):
                raise pipeline  # noqa: TRY301  (what is wrong becomes a DAG in one place)
            refuse_same_name(names, pipeline.name, str(file))
            check_placements(pipeline, load_settings(), str(file))
            dag = training_dag(pipeline, text)
            refuse_unloadable(dag, str(file))
        except Exception as error:  # noqa: BLE001  (whatever is wrong with one file must not stop the others)
            dag = broken_dag(f"{_dag_name_of(file)}_broken", _storable(str(error) or repr(error)))
        yield dag


def _read(file: Path) -> tuple[Path, str, Pipeline | Exception]:
    """A file, its text, and its pipeline or why there is none."""
    text = ""
    try:
        text = read_text(file)
        return file, text, parse_pipeline(text, str(file))
    except Exception as error:  # noqa: BLE001  (whatever is wrong with one file must not stop the others)
        return file, text, error


def refuse_unloadable(dag: DAG, file: str) -> None:
    """Load a DAG as Airflow's DAG processor and scheduler do later, and raise their errors.

    They validate and store a DAG after its file is imported, when an error takes away every DAG of the file.
    """
    from airflow.serialization.serialized_objects import DagSerialization

    dag.validate()  # type: ignore[no-untyped-call]
    scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    if dag.schedule is not None and scheduled.next_dagrun_info(last_automated_run_info=None) is None:
        raise ConfigurationError(f"{file}: schedule: {dag.schedule!r} names a day that never comes")


def _dag_name_of(file: Path) -> str:
    """A file's name as a DAG's; one that had to be changed bears a digest, for two files must not give one DAG."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.stem)[:200]
    return name if name == file.stem else f"{name}-{sha256(os.fsencode(file.stem)).hexdigest()[:8]}"


def _storable(message: str) -> str:
    """A message without characters that Airflow's database refuses."""
    return UNSTORABLE.sub(lambda found: repr(found[0])[1:-1], message)


def training_dag(pipeline: Pipeline, text: str) -> DAG:
    """The DAG `{name}_training`; `text` is the YAML that the pipeline was read from.

    The step `start` takes it as it is: writing the pipeline out again would take longer than the rest of the DAG.
    """
    settings = load_settings()
    with DAG(
        dag_id=f"{pipeline.name}_training",
        description=pipeline.description,
        doc_md=dag_docs(pipeline),
        schedule=pipeline.schedule,
        start_date=START_DATE,
        catchup=False,
        max_active_runs=1,
        deadline=queued_alert(pipeline),
        tags=sorted({"training", pipeline.problem, *pipeline.tags}),
        default_args={
            "owner": pipeline.owner,
            "retries": settings.retries,
            "retry_delay": timedelta(seconds=settings.retry_delay_seconds),
            "execution_timeout": timedelta(minutes=settings.step_timeout_minutes),
        },
        user_defined_filters={"run_key": run_key},
        on_failure_callback=send.on_run_failure,
        render_template_as_native_obj=False,
        auto_register=False,  # or Airflow would show what stood when building it failed
    ) as dag:
        run = f"{settings.artifact_store}/{pipeline.name}/" + "{{ run_id | run_key }}"
        make = partial(_step, _operator_of(pipeline, settings), run=run, code_path=_code_path(pipeline))

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


def broken_dag(dag_id: str, message: str) -> DAG:
    """A DAG whose only task fails with what is wrong with its file."""
    with DAG(
        dag_id=dag_id, description="This pipeline's file is wrong", doc_md=f"```\n{message}\n```",
        schedule=None, start_date=START_DATE, catchup=False, tags=["training", "broken"],
    ) as dag:  # fmt: skip

        @task(task_id="mend_the_file", retries=0)
        def mend_the_file() -> None:
            raise AirflowFailException(message)

        mend_the_file()
    return dag


def _operator_of(pipeline: Pipeline, settings: Settings) -> Callable[..., StepOperator]:
    """What makes a task of a step, in the environment's runtime."""
    if settings.runtime == "local":
        return LocalStepOperator
    from include.operators.pods.job_operator import JobStepOperator  # the provider takes a second to import
    from include.operators.pods.operator import PodStepOperator

    def pod(*, step: str, algorithm: str, **kwargs: Any) -> StepOperator:
        placement = placement_of(pipeline, settings.kubernetes, step, algorithm)
        labels = {"pipeline_name": pipeline.name, "team": pipeline.owner}
        trains = pipeline.trains_in_epochs and placed_as(step) in {"train", REFIT}
        gpus = gpus_or(placement.wishes.gpu or 0) if trains else ""
        operator = JobStepOperator if placement.nodes > 1 else PodStepOperator
        return operator(step=step, algorithm=algorithm, placement=placement, gpus=gpus, **labels, **kwargs)

    return pod


def _code_path(pipeline: Pipeline) -> str | None:
    return pipeline.code.path if pipeline.code else None


def _step(
    operator: Callable[..., StepOperator], name: str, run: str, algorithm: str = "", **kwargs: Any
) -> StepOperator:
    task_id = kwargs.pop("task_id", name)
    return operator(task_id=task_id, step=name, run=run, algorithm=algorithm, doc_md=TASK_DOCS[name], **kwargs)


def _task(step: Step, make: Callable[..., StepOperator], pipeline: Pipeline, text: str, run: str) -> Any:
    """The task of a step that runs once per run."""
    if step.runs_in == "airflow":
        return _decide(run) if step.name == "decide" else _ask(step.name, pipeline, run)
    given: dict[str, Any] = {"connection": connection_of(pipeline, step.name)} if step.reads_source else {}
    if step.name == "start":
        given |= {"parameters": PARAMETERS, "pipeline": text}
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
