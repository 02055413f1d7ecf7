"""`trainer schema`: the JSON schema of a pipeline's YAML, for editors."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Union

from pydantic import TypeAdapter

from trainer.pipeline import PIPELINES

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "schema", help="print the JSON schema of a pipeline's YAML", description="Print the JSON schema, for editors."
    )
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001  (every command takes its arguments)
    """Print the schema; returns 0."""
    every = TypeAdapter(Union[tuple(PIPELINES.values())]).json_schema()  # type: ignore[arg-type]  # noqa: UP007  (of a list)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **every}
    sys.stdout.write(json.dumps(schema, indent=2) + "\n")
    return 0
