"""`trainer data`: fetch the published data sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "data",
        help="fetch the published data sets",
        description="Fetch the published data sets that pipelines read, each checked against its SHA-256.",
    )
    command.add_argument("--to", required=True, metavar="FOLDER", help="where they go")
    command.add_argument("--mirror", metavar="FOLDER", help="take them from here instead of from their publishers")
    command.add_argument("names", nargs="*", metavar="NAME", help="which data sets (default: all)")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Fetch what is not there yet; returns 0, or raises DataValidationError."""
    from trainer.sources.published.fetch import fetch_datasets

    for file in fetch_datasets(Path(arguments.to), arguments.mirror or None, arguments.names or None):
        sys.stdout.write(f"{file}\n")
    return 0
