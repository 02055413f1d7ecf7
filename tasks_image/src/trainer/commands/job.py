"""`trainer run CONFIG.yaml`: one training job from its own YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.environment import read_environment
from trainer.pipeline import AnySource, DvcSource, StoredSource, parse_yaml, read_text
from trainer.process import logs
from trainer.sources.dvc.repository import pin_revision
from trainer.sources.settle import absolute_uri

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "run",
        help="run one training job from its own YAML",
        description="Run one TrainingJob: read, split, fit, score, sign, save and, where the YAML has a registry, "
        "register. Its parts are chosen by KIND. A pipeline's train step does the same on the rows of its run.",
    )
    command.add_argument("config", metavar="CONFIG.yaml", help="the job's YAML")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the job; returns 0, or raises the job's own error."""
    from trainer.training.source_job import load_job

    environment = read_environment()
    logs.set_up(environment.log_format)
    job = load_job(parse_yaml(read_text(arguments.config), arguments.config), arguments.config)
    inputs = _placed(job.inputs, environment.data_store)
    targets = _placed(_of_the_same_commit(job.targets, inputs), environment.data_store)
    job.model_copy(update={"inputs": inputs, "targets": targets}).run()
    return 0


def _of_the_same_commit(targets: AnySource, inputs: AnySource) -> AnySource:
    """The targets from the commit of the inputs, where both are of one revision, which can move between the two."""
    if not isinstance(targets, DvcSource) or not isinstance(inputs, DvcSource) or targets.commit:
        return targets
    same = (targets.repository, targets.revision) == (inputs.repository, inputs.revision)
    return targets.model_copy(update={"commit": inputs.commit}) if same else targets


def _placed(source: AnySource, data_store: str) -> AnySource:
    """The source, its address below the data store where it is relative and its commit pinned, as a pipeline's is."""
    if isinstance(source, DvcSource):
        return source.model_copy(update={"commit": pin_revision(source).commit})
    if not isinstance(source, StoredSource):
        return source
    return source.model_copy(update={"uri": absolute_uri(source.uri, data_store)})
