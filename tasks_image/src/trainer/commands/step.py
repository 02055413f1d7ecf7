"""`trainer step NAME --run URI`: one step of a run, as a DAG starts it."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
from typing import TYPE_CHECKING, Any

from trainer.environment import nodes_variables, read_environment, variable
from trainer.errors import ConfigurationError
from trainer.own_code.required import with_code
from trainer.pipeline import Pipeline, load_pipeline, parse_pipeline
from trainer.process import log_context, logs
from trainer.process.parent_death import stop_with_parent
from trainer.process.scratch import scratch_space
from trainer.run import RunFolder
from trainer.run.execute import execute, failure_of, recorded
from trainer.run.flow import ALL_STEPS, PER_ALGORITHM, PER_WORKER, PartOfRun, is_training, step_named
from trainer.run.outages import outage_explained
from trainer.run.ownership import refuse_other_run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from trainer.environment import Nodes
    from trainer.run.records import Result
    from trainer.training.networks.meeting import Meeting


logger = logging.getLogger(__name__)


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "step",
        help="run one step of a run",
        description="Run one step of a run: it reads what earlier steps wrote to the run folder, and writes its own "
        "part. Running a step again replaces its outputs.",
    )
    command.add_argument("name", choices=ALL_STEPS, metavar="NAME", help=", ".join(ALL_STEPS))
    command.add_argument("--run", required=True, metavar="URI", help="the run folder: a path or an fsspec address")
    command.add_argument("--algorithm", default="", help="which algorithm (tune_worker, tune and train)")
    command.add_argument("--worker", type=int, default=0, metavar="K", help="which of a study's workers (tune_worker)")
    command.add_argument("--pipeline", metavar="FILE", help="the pipeline's YAML (first step; else $TRAINER_PIPELINE)")
    command.add_argument("--parameters", default="{}", metavar="JSON", help='run parameters (start): {"trials": 5}')
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the step; returns 0, or raises the step's own error."""
    stop_with_parent()
    logs.set_up(read_environment().log_format)
    folder = RunFolder.open(arguments.run)
    part = PartOfRun(arguments.name, arguments.algorithm, arguments.worker)
    log_context.note(run_key=folder.key, step=part.step, algorithm=part.algorithm, worker=part.worker or None)
    own = folder.at(*part)
    nodes = nodes_variables()
    if nodes.index > 0:
        return _run_beside(own, nodes)
    with scratch_space(own.uri_of()):
        refuse_other_run(folder, read_environment().airflow_run_id)
        with recorded(own):
            pipeline = _pipeline(arguments, folder)
            log_context.note(pipeline=pipeline.name)
            step = step_of(pipeline, part)
        execute(step, pipeline, own)
        if nodes.number > 1:
            _meeting(own, nodes).close()
    return 0


def _run_beside(own: RunFolder, nodes: Nodes) -> int:
    """Train beside the node with the step; of the step's part of the run folder, only its state is written."""
    from trainer.training.networks.node import take_part

    meeting = _meeting(own, nodes)
    with scratch_space(f"{own.uri_of()} {nodes.index}"), _kept_by(meeting):
        refuse_other_run(own, read_environment().airflow_run_id)
        pipeline = with_code(own.pipeline())
        log_context.note(pipeline=pipeline.name)
        take_part(meeting)
    return 0


def _meeting(own: RunFolder, nodes: Nodes) -> Meeting:
    from trainer.training.networks.meeting import Meeting

    return Meeting(own, nodes)


@contextlib.contextmanager
def _kept_by(meeting: Meeting) -> Iterator[None]:
    """Keep why a block failed, as far as the store still takes it, and raise that."""
    try:
        yield
    except Exception as error:
        explained = outage_explained(error, meeting.step.uri)
        try:
            meeting.fail(failure_of(explained, meeting.step))
        except Exception as another:  # noqa: BLE001  (what went wrong first is what counts)
            logger.warning("node %d: why it failed could not be kept: %s", meeting.nodes.index, another)
        raise explained from error


def run_step(name: str, folder: RunFolder, pipeline: Pipeline, algorithm: str = "", worker: int = 0) -> None:
    """Run a step by its name. Raises ConfigurationError for an algorithm or a worker that the pipeline has not."""
    part = PartOfRun(name, algorithm, worker)
    refuse_other_run(folder, read_environment().airflow_run_id)
    ready = with_code(pipeline, freeze=step_named(name).begins) if is_training(name) else pipeline
    execute(step_of(ready, part), ready, folder.at(*part))


def step_of(pipeline: Pipeline, part: PartOfRun) -> Callable[[Pipeline, RunFolder], Result]:
    """The step's function. Raises ConfigurationError for an algorithm or a worker that the pipeline has not."""
    allowed = pipeline.selected_algorithms if part.step in PER_ALGORITHM else [""]
    if part.algorithm not in allowed:
        raise ConfigurationError(f"step {part.step}: --algorithm must be one of {allowed}, not {part.algorithm!r}")
    _check_worker(pipeline, part)
    step: Callable[[Pipeline, RunFolder], Result] = importlib.import_module(f"trainer.steps.{part.step}").run
    return step


def _check_worker(pipeline: Pipeline, part: PartOfRun) -> None:
    if part.step not in PER_WORKER and part.worker:
        raise ConfigurationError(f"step {part.step}: it is not shared by workers; leave out --worker")
    workers = pipeline.tuning.workers
    if part.step in PER_WORKER and not 1 <= part.worker <= workers:
        raise ConfigurationError(
            f"step {part.step}: --worker must be a number from 1 to {workers} (`tuning.workers`), not {part.worker}"
        )


def _pipeline(arguments: argparse.Namespace, folder: RunFolder) -> Pipeline:
    """The run's frozen pipeline; for the first step, the given one with this run's parameters.

    Where a training needs the pipeline's own code, the clone of the right commit is there; a model that is scored has
    its code in it.
    """
    if not step_named(arguments.name).begins:
        return with_code(folder.pipeline()) if is_training(arguments.name) else folder.pipeline()
    given = given_pipeline(arguments.pipeline).for_run(parse_parameters(arguments.parameters))
    return with_code(given, freeze=True) if is_training(arguments.name) else given


def given_pipeline(file: str | None) -> Pipeline:
    """The pipeline in a file, else the one in the environment."""
    if file:
        return load_pipeline(file)
    text = variable("pipeline")
    if not text:
        raise ConfigurationError("first step: name the pipeline's file with --pipeline, or set TRAINER_PIPELINE")
    return parse_pipeline(text, "TRAINER_PIPELINE")


def parse_parameters(text: str) -> dict[str, Any]:
    """Run parameters from a JSON object; raises ConfigurationError."""
    try:
        parameters = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"run parameters: {text!r} is no JSON: {error}") from error
    if not isinstance(parameters, dict):
        raise ConfigurationError(f"run parameters: a JSON object is needed, not {text!r}")
    return parameters
