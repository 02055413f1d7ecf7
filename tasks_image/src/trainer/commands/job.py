"""`trainer run CONFIG.yaml`: one training job from its own YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer import logs
from trainer.environment import read_environment
from trainer.pipeline import parse_yaml, read_text

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "run",
        help="run one training job from its own YAML",
        description="Run one TrainingJob: read, split, fit, score, sign, save and, where the YAML has a registry, "
        "register. Its parts are chosen by KIND. A pipeline's train step runs the same job.",
    )
    command.add_argument("config", metavar="CONFIG.yaml", help="the job's YAML")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the job; returns 0, or raises the job's own error."""
    from trainer.jobs.training import load_job

    logs.set_up(read_environment().log_format)
    load_job(parse_yaml(read_text(arguments.config), arguments.config), arguments.config).run()
    return 0
