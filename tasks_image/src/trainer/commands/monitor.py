"""`trainer monitor`: all steps of a pipeline's monitoring, one after the other, without a scheduler."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trainer.commands.step import given_pipeline, run_step
from trainer.environment import read_environment
from trainer.errors import ConfigurationError
from trainer.process import log_context, logs
from trainer.run import RunFolder, monitoring_key
from trainer.run.flow import monitoring_steps_of
from trainer.run.records import AnyResult
from trainer.summary.monitoring import monitoring_lines

if TYPE_CHECKING:
    import argparse

    from trainer.pipeline import Pipeline

logger = logging.getLogger(__name__)


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "monitor",
        help="look at a pipeline's scored rows and their labels here, without Airflow",
        description="Run all steps of a pipeline's monitoring one after the other in this process: the same code as "
        "the DAG runs. With --run, a look that failed or was killed goes on.",
    )
    command.add_argument("--config", required=True, metavar="FILE", help="the pipeline's YAML")
    command.add_argument(
        "--run", metavar="URI", help="the run folder (default: .runs/PIPELINE/monitoring-by-hand-TIME)"
    )
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the steps and print what was found; returns 0, or raises the error of the step that failed."""
    logs.set_up(read_environment().log_format)
    pipeline = given_pipeline(arguments.config)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    folder = RunFolder.open(arguments.run or f".runs/{pipeline.name}/{monitoring_key(f'by-hand {stamp}')}")
    log_context.note(pipeline=pipeline.name, run_key=folder.key)
    monitor_all(folder, pipeline)
    sys.stdout.write("\n".join(monitoring_lines(folder)) + "\n")
    return 0


def monitor_all(folder: RunFolder, pipeline: Pipeline) -> None:
    """Run all steps in order; what is done stays."""
    if pipeline.monitoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `monitoring`: nothing says what to look at")
    for step in monitoring_steps_of(pipeline):
        if folder.at(step.name).result_or_none(AnyResult) is not None:
            logger.info("%s is done", step.name)
            continue
        run_step(step.name, folder, pipeline if step.begins else folder.pipeline())
