"""`trainer summary --run URI`: what a run did and decided."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.process.colour import painted
from trainer.run import RunFolder
from trainer.summary.summary import build_summary, write_summary
from trainer.summary.terminal import render

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "summary", help="print what a run did and decided", description="Print a run's summary and keep it as JSON."
    )
    command.add_argument("--run", default=".runs/latest", metavar="URI", help="the run folder (default: .runs/latest)")
    command.add_argument("--wall-seconds", type=float, metavar="S", help="time that the whole run took")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print and write the summary; returns 0. Raises ConfigurationError where there is no such folder."""
    folder = RunFolder.open(arguments.run)
    if not folder.filesystem.exists(folder.root):
        raise ConfigurationError(f"there is no run folder {folder.uri}; name one with --run")
    summary = build_summary(folder, arguments.wall_seconds)
    write_summary(folder, summary)
    sys.stdout.write(painted(render(summary), sys.stdout) + "\n")
    return 0
