"""`trainer deploy`: all steps of a deployment, one after the other, without a scheduler."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trainer.commands.step import given_pipeline, run_step
from trainer.environment import read_environment
from trainer.errors import ConfigurationError, TrainerError
from trainer.process import log_context, logs
from trainer.run import RunFolder, deployment_key
from trainer.run.flow import DEPLOYMENT
from trainer.run.records import AnyResult
from trainer.summary.deployment import deployment_lines

if TYPE_CHECKING:
    import argparse

    from trainer.pipeline import Pipeline

logger = logging.getLogger(__name__)


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "deploy",
        help="let a promoted version answer requests, here, without Airflow",
        description="Run all steps of a deployment one after the other in this process: the same code as the DAG runs. "
        "The version is tried without traffic, gets a part of it, is watched, and gets all or is taken back. With "
        "--run, a deployment that was killed goes on.",
    )
    command.add_argument("--config", required=True, metavar="FILE", help="the pipeline's YAML")
    command.add_argument("--version", metavar="N", help="this version instead of what deployment.version says")
    command.add_argument(
        "--run", metavar="URI", help="the run folder (default: .runs/PIPELINE/deployment-by-hand-TIME)"
    )
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the steps and print what was done; returns 0, or raises the error of the step that failed."""
    logs.set_up(read_environment().log_format)
    pipeline = _with_version(given_pipeline(arguments.config), arguments.version)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    folder = RunFolder.open(arguments.run or f".runs/{pipeline.name}/{deployment_key(f'by-hand {stamp}')}")
    log_context.note(pipeline=pipeline.name, run_key=folder.key)
    deploy_all(folder, pipeline)
    sys.stdout.write("\n".join(deployment_lines(folder)) + "\n")
    return 0


def deploy_all(folder: RunFolder, pipeline: Pipeline) -> None:
    """Run the steps in order; what is done stays. After one that fails, the version is taken back."""
    first, *others, last = DEPLOYMENT
    if folder.at(first.name).result_or_none(AnyResult) is None:
        run_step(first.name, folder, pipeline)
    try:
        for step in others:
            if folder.at(step.name).result_or_none(AnyResult) is None:
                run_step(step.name, folder, folder.pipeline())
    except TrainerError as error:
        logger.error("%s: %s", type(error).__name__, error)  # noqa: TRY400  (the message is for a person)
    run_step(last.name, folder, folder.pipeline())


def _with_version(pipeline: Pipeline, version: str | None) -> Pipeline:
    if version is None:
        return pipeline
    if pipeline.deployment is None:
        raise ConfigurationError(
            f"pipeline {pipeline.name} has no section `deployment`: nothing says how it is deployed"
        )
    if not version.isdecimal() or int(version) < 1:
        raise ConfigurationError(f"--version: {version!r} is not the number of a version, such as 3")
    rules = pipeline.deployment.model_copy(update={"version": int(version)})
    return pipeline.model_copy(update={"deployment": rules})
