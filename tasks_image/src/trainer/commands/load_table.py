"""`trainer load-table`: a pipeline's rows as a table of PostgreSQL."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.step import given_pipeline
from trainer.environment import read_environment
from trainer.process import logs

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "load-table",
        help="load the rows of a pipeline's source into PostgreSQL",
        description="Read the source of a pipeline as `ingest` does, renamed and typed, and put its rows in place of a "
        "table of PostgreSQL in one transaction. A pipeline can then read them with KIND: postgres.",
    )
    command.add_argument("--config", required=True, metavar="FILE", help="the pipeline's YAML")
    command.add_argument(
        "--connection", required=True, metavar="NAME", help="TRAINER_CONNECTION_NAME holds its address"
    )
    command.add_argument("--table", required=True, metavar="TABLE", help="such as customers or sales.customers")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Load the rows; returns 0. Raises as reading the source and as writing the table do."""
    from trainer.sources.postgres.writer import replace_table
    from trainer.sources.readers import write_source
    from trainer.sources.settle import settle_source

    environment = read_environment()
    logs.set_up(environment.log_format)
    pipeline = settle_source(given_pipeline(arguments.config), environment)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "rows.parquet"
        lineage = write_source(pipeline.source, file, pipeline.columns.named)
        rows = replace_table(arguments.connection, arguments.table, file)
    sys.stdout.write(f"{arguments.table}: {rows:,} rows from {lineage.source}\n")
    return 0
