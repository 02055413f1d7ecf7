"""`trainer score`: all steps of a pipeline's scoring, one after the other, without a scheduler."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.step import given_pipeline, run_step
from trainer.environment import read_environment
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.process import log_context, logs
from trainer.run import RunFolder, scoring_key
from trainer.run.flow import SCORING
from trainer.run.records import AnyResult
from trainer.summary.scoring import scoring_lines

if TYPE_CHECKING:
    import argparse

logger = logging.getLogger(__name__)


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "score",
        help="score the rows of a pipeline's `scoring` here, without Airflow",
        description="Run all steps of a pipeline's scoring one after the other in this process: the same code as the "
        "DAG runs. With --run, a run that failed or was killed goes on, and its rows are published once.",
    )
    command.add_argument("--config", required=True, metavar="FILE", help="the pipeline's YAML")
    command.add_argument("--data-path", metavar="URI", help="read this instead of scoring.source.uri")
    command.add_argument("--run", metavar="URI", help="the run folder (default: .runs/PIPELINE/scoring-by-hand-TIME)")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the steps and print what was done; returns 0, or raises the error of the step that failed."""
    logs.set_up(read_environment().log_format)
    pipeline = _with_data(given_pipeline(arguments.config), arguments.data_path)
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    folder = RunFolder.open(arguments.run or f".runs/{pipeline.name}/{scoring_key(f'by-hand {stamp}')}")
    log_context.note(pipeline=pipeline.name, run_key=folder.key)
    score_all(folder, pipeline)
    sys.stdout.write("\n".join(scoring_lines(folder)) + "\n")
    return 0


def score_all(folder: RunFolder, pipeline: Pipeline) -> None:
    """All steps in order. What is done before the last one stays: a run that began keeps its version and its rows."""
    *_, last = SCORING
    for step in SCORING:
        if step is not last and folder.at(step.name).result_or_none(AnyResult) is not None:
            logger.info("%s is done", step.name)
            continue
        run_step(step.name, folder, pipeline if step.begins else folder.pipeline())


def _with_data(pipeline: Pipeline, data_path: str | None) -> Pipeline:
    if data_path is None:
        return pipeline
    if pipeline.scoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `scoring`: nothing says which rows to score")
    uri = data_path if "://" in data_path else str(Path(data_path).resolve())
    document = pipeline.model_dump(mode="json")
    source = {**document["scoring"]["source"], "uri": uri, "sample": None}
    source.pop("sha256", None)  # it is the checksum of the file that is not read
    return pipeline_of({**document, "scoring": {**document["scoring"], "source": source}}, "--data-path")
