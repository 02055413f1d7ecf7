"""DAGs from the files of pipelines: reading them, what all DAGs share, and one that says what is wrong with a file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

from include.environment.connections import connection_of
from include.environment.settings import load_settings, pipelines_folder
from include.flows.run_form import gpus_or
from include.flows.task_docs import TASK_DOCS
from include.operators.local import LocalStepOperator
from include.operators.pods.placement import check_placements, placement_of
from trainer.errors import ConfigurationError
from trainer.pipeline import UNSTORABLE, Pipeline, parse_pipeline, read_text, refuse_same_name
from trainer.run.flow import REFIT, placed_as

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.environment.settings import Settings
    from include.operators.base import StepOperator
    from trainer.run.flow import Step

START_DATE = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PipelineFile:
    """A file in the folder of pipelines."""

    file: Path
    text: str
    pipeline: Pipeline | None
    error: Exception | None
    """The mistake in the file; None if it has a pipeline."""


def read_pipelines() -> list[PipelineFile]:
    """Read and check all files of pipelines, each apart from the others."""
    names: dict[str, str] = {}
    files = [_read(file) for file in sorted(pipelines_folder().glob("*.yaml"))]
    # A copy that nobody has renamed must not take the DAG of the file that is named like its pipeline.
    ordered = sorted(files, key=lambda one: getattr(one.pipeline, "name", "") != one.file.stem)
    return [_checked(one, names) for one in ordered]


def _read(file: Path) -> PipelineFile:
    text = ""
    try:
        text = read_text(file)
        return PipelineFile(file, text, parse_pipeline(text, str(file)), None)
    except Exception as error:  # noqa: BLE001  (whatever is wrong with one file must not stop the others)
        return PipelineFile(file, text, None, error)


def _checked(found: PipelineFile, names: dict[str, str]) -> PipelineFile:
    """Return the file with what is wrong with it in this environment, and beside the others."""
    if found.pipeline is None:
        return found
    try:
        refuse_same_name(names, found.pipeline.name, str(found.file))
        check_placements(found.pipeline, load_settings(), str(found.file))
    except Exception as error:  # noqa: BLE001  (whatever is wrong with one file must not stop the others)
        return PipelineFile(found.file, found.text, None, error)
    return found


def dag_or_broken(found: PipelineFile, build: Callable[[Pipeline, str], DAG], suffix: str = "broken") -> DAG:
    """Return the DAG that `build` makes of a file; a file that is wrong becomes a DAG that says so."""
    try:
        if found.pipeline is None:
            raise found.error or ConfigurationError(f"{found.file}: there is no pipeline in it")  # noqa: TRY301
        dag = build(found.pipeline, found.text)
        refuse_unloadable(dag, str(found.file))
    except Exception as error:  # noqa: BLE001  (whatever is wrong with one file must not stop the others)
        return broken_dag(f"{_dag_name_of(found.file)}_{suffix}", _storable(str(error) or repr(error)))
    return dag


def new_dag(
    pipeline: Pipeline,
    flow: str,
    docs: str,
    schedule: Any,
    key: Callable[[str], str],
    on_failure: Callable[..., None],
    **own: Any,
) -> DAG:
    """Return the empty DAG `{name}_{flow}`; `key` names a run's folder by the run's id, `own` is what only it has."""
    settings = load_settings()
    return DAG(
        dag_id=f"{pipeline.name}_{flow}",
        description=pipeline.description,
        doc_md=docs,
        schedule=schedule,
        start_date=START_DATE,
        catchup=False,
        max_active_runs=1,
        tags=sorted({flow, pipeline.problem, *pipeline.tags}),
        default_args={
            "owner": pipeline.owner,
            "retries": settings.retries,
            "retry_delay": timedelta(seconds=settings.retry_delay_seconds),
            "execution_timeout": timedelta(minutes=settings.step_timeout_minutes),
        },
        user_defined_filters={"run_key": key},
        on_failure_callback=on_failure,
        render_template_as_native_obj=False,
        auto_register=False,  # or Airflow would show what stood when building it failed
        **own,
    )


def refuse_unloadable(dag: DAG, file: str) -> None:
    """Load a DAG as Airflow's DAG processor and scheduler do later, and raise their errors.

    They validate and store a DAG after its file is imported, when an error takes away every DAG of the file.
    """
    from airflow.serialization.serialized_objects import DagSerialization

    dag.validate()  # type: ignore[no-untyped-call]
    scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    if dag.schedule is None or isinstance(dag.schedule, list):  # nothing, or only assets
        return
    if scheduled.next_dagrun_info(last_automated_run_info=None) is None:
        cron = dag.schedule if isinstance(dag.schedule, str) else scheduled.timetable.summary
        raise ConfigurationError(f"{file}: schedule: {cron!r} names a day that never comes")


def _dag_name_of(file: Path) -> str:
    """A file's name as a DAG's; one that had to be changed bears a digest, for two files must not give one DAG."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.stem)[:200]
    return name if name == file.stem else f"{name}-{sha256(os.fsencode(file.stem)).hexdigest()[:8]}"


def _storable(message: str) -> str:
    """A message without characters that Airflow's database refuses."""
    return UNSTORABLE.sub(lambda found: repr(found[0])[1:-1], message)


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


def operator_of(pipeline: Pipeline, settings: Settings) -> Callable[..., StepOperator]:
    """Return the function that makes the task of a step in the environment's runtime."""
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


def step_task(
    operator: Callable[..., StepOperator], name: str, run: str, algorithm: str = "", **kwargs: Any
) -> StepOperator:
    """Return the task of a step, called like it unless `task_id` is given."""
    task_id = kwargs.pop("task_id", name)
    return operator(task_id=task_id, step=name, run=run, algorithm=algorithm, doc_md=TASK_DOCS[name], **kwargs)


def given_to(step: Step, pipeline: Pipeline, text: str) -> dict[str, Any]:
    """Return what the task of a step is given: the first one the pipeline, and some the login of a place outside."""
    login: dict[str, Any] = {"connection": connection_of(pipeline, step.name)} if step.uses else {}
    return login | ({"pipeline": text} if step.begins else {})
