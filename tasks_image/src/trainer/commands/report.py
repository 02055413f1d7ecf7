"""`trainer report --run URI`: a run's page, written again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError
from trainer.run import RunFolder

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "report",
        help="write a run's page (report.html) again",
        description="Write `report.html` into a run folder from what lies there, and print its address.",
    )
    command.add_argument("--run", default=".runs/latest", metavar="URI", help="the run folder (default: .runs/latest)")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the page and print its address; returns 0. Raises ConfigurationError where there is no such folder."""
    from trainer.reports.run_report import write_report

    folder = RunFolder.open(arguments.run)
    if not folder.filesystem.exists(folder.root):
        raise ConfigurationError(f"there is no run folder {folder.uri}; name one with --run")
    sys.stdout.write(f"{write_report(folder)}\n")
    return 0
