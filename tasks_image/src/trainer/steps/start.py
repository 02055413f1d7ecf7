"""Freeze the pipeline as this run uses it, and open the run in MLflow."""

from __future__ import annotations

import logging
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.environment import read_environment, variable
from trainer.run.folder import PIPELINE_FILE
from trainer.run.latest import mark_latest
from trainer.run.ownership import own
from trainer.run.records import StartResult

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from trainer.environment import Environment
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> StartResult:
    """Write `pipeline.yaml`, create or migrate MLflow's store, and find or create the parent run."""
    from trainer.registry.store_creation import sole_creator
    from trainer.registry.tracking import connect, ensure_experiment
    from trainer.sources.readers import location_of
    from trainer.sources.settle import settle_source

    environment = read_environment()
    _refuse_mistakes(pipeline)
    settled = settle_source(pipeline, environment)
    own(run, environment.airflow_run_id)
    run.at("").write_text(PIPELINE_FILE, settled.to_yaml())
    mark_latest(run)
    with sole_creator(environment.tracking_uri):
        client = connect()
        experiment_id = ensure_experiment(client, settled.registry.experiment)
    own_commit = environment.git_commit or _git_commit()
    tags = _tags(settled, run, environment, own_commit)
    run_id = _parent_run(client, experiment_id, settled, run, tags)
    logger.info("MLflow experiment %s, run %s", settled.registry.experiment, run_id)
    return StartResult(
        started_at=datetime.now(UTC).isoformat(),
        run_id=run_id,
        experiment_id=experiment_id,
        airflow_run_id=environment.airflow_run_id,
        git_commit=tags.get("code.git_commit", ""),
        code_repository=tags.get("code.repository", ""),
        image=environment.image,
        source=location_of(settled.source),
        sample=settled.source.KIND == "sample",
    )


def _refuse_mistakes(pipeline: Pipeline) -> None:
    """Raise ConfigurationError for what only the libraries know to be wrong, before hours go by.

    Expectations are left to `validate`, which is the next to come but one: their library takes seconds to import.
    """
    from trainer.modalities import modality_of
    from trainer.sources.row_filter import check_condition

    check_condition(pipeline.source.where)
    modality = modality_of(pipeline)
    modality.require()
    modality.check(pipeline, pipeline.selected_algorithms)
    _refuse_absent_gpus(pipeline)
    _note_single_node(pipeline)


def _refuse_absent_gpus(pipeline: Pipeline) -> None:
    """Raise ConfigurationError if this machine lacks GPUs that the run asks for.

    In a cluster the pod of this step has none, and those that train get as many as were asked for.
    """
    if not pipeline.run.gpu or variable("gpus"):
        return
    from trainer.training.networks.processes import processes_for

    processes_for(pipeline.run.gpu)


def _note_single_node(pipeline: Pipeline) -> None:
    """Log that a run without a cluster trains on this machine what its pipeline trains on several nodes."""
    if variable("gpus"):
        return
    nodes = {name: pipeline.resources_of("train", name).nodes or 1 for name in pipeline.selected_algorithms}
    for name, number in nodes.items():
        if number > 1:
            logger.warning("%s: %d nodes are asked for; without a cluster this machine trains it alone", name, number)


def _parent_run(
    client: MlflowClient, experiment_id: str, pipeline: Pipeline, run: RunFolder, tags: dict[str, str]
) -> str:
    """The parent run of this run folder; started again, it is the same one, running."""
    from trainer.registry.tracking import PARENT_TASK, RUN_KEY_TAG, TASK_TAG, find_run

    known = find_run(client, experiment_id, pipeline.name, run.key, PARENT_TASK)
    if known is not None:
        client.update_run(known.info.run_id, status="RUNNING")
        return str(known.info.run_id)
    name = f"{pipeline.name}_model_training"
    own = {RUN_KEY_TAG: run.key, TASK_TAG: PARENT_TASK}
    created = client.create_run(experiment_id, run_name=name, tags={**tags, **own})
    client.log_text(created.info.run_id, pipeline.to_yaml(), PIPELINE_FILE)
    return str(created.info.run_id)


def _tags(pipeline: Pipeline, run: RunFolder, environment: Environment, own_commit: str) -> dict[str, str]:
    """What the parent run is found by; `code.git_commit` is the commit of the pipeline's own code where it has some."""
    from trainer.registry.tracking import PIPELINE_TAG

    code = pipeline.code
    tags = {
        PIPELINE_TAG: pipeline.name,
        "trainer.owner": pipeline.owner,
        "trainer.run_folder": run.at("").uri_of(),
        "trainer.airflow_run_id": environment.airflow_run_id,
        "trainer.image": environment.image,
        "trainer.git_commit": own_commit,
        "code.git_commit": (code.commit or "") if code else own_commit,
        "code.repository": code.repository if code else "",
        "code.ref": code.ref if code else "",
        "mlflow.note.content": pipeline.run.note,
        "trainer.triggered_by": pipeline.run.triggered_by,
    }
    return {key: value for key, value in tags.items() if value}


def _git_commit() -> str:
    """The commit of the checkout that this package lies in, marked where files differ from it; empty outside one."""
    here = Path(__file__).parent
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
