"""`trainer schema`: the JSON schema of a pipeline's YAML, for editors."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from trainer.pipeline import PIPELINES, TABULAR

if TYPE_CHECKING:
    import argparse

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "schema", help="print the JSON schema of a pipeline's YAML", description="Print the JSON schema, for editors."
    )
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001  (every command takes its arguments)
    """Print the schema; returns 0."""
    sys.stdout.write(json.dumps(pipeline_schema(), indent=2) + "\n")
    return 0


def pipeline_schema() -> dict[str, Any]:
    """Return the schema of all pipelines; which modality's counts follows from the section that only it has.

    With a plain union an editor could only say that a file is none of them.
    """
    places, whole = models_json_schema(
        [(kind, "validation") for kind in PIPELINES.values()], ref_template="#/$defs/{model}"
    )
    chosen: dict[str, Any] = places[PIPELINES[TABULAR], "validation"]
    for section, kind in PIPELINES.items():
        if section != TABULAR:
            chosen = {"if": {"required": [section]}, "then": places[kind, "validation"], "else": chosen}
    return {"$schema": DIALECT, "title": "Pipeline", **chosen, "$defs": whole["$defs"]}
