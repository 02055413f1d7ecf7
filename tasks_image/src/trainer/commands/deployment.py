"""`trainer deployment status`: what answers requests."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from trainer.commands.step import given_pipeline
from trainer.environment import read_environment

if TYPE_CHECKING:
    import argparse

    from trainer.deployment.target import Target
    from trainer.serving.observed import Observations


def add_to(commands: Any) -> None:
    """Declare the command."""
    whole = commands.add_parser(
        "deployment",
        help="what answers requests",
        description="Ask what answers requests with a pipeline's model.",
    )
    command = whole.add_subparsers(required=True, metavar="COMMAND")
    status = command.add_parser(
        "status",
        help="the versions that answer, their shares of the traffic and what was seen of them",
        description="Ask the target what it serves: each version, its share of the traffic, and its requests since it "
        "got that share.",
    )
    status.add_argument("--config", required=True, metavar="FILE", help="the pipeline's YAML")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    status.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is served; returns 0, or raises what the target raises."""
    from trainer.deployment.targets import target_of
    from trainer.deployment.versions import with_model

    environment = read_environment()
    pipeline = with_model(given_pipeline(arguments.config), environment)
    target = target_of(environment.serving, pipeline.registry.model)
    served = target.state()
    found = [_version(target, version, is_running=running) for version, running in served.running.items()]
    record = {
        "model": pipeline.registry.model, "target": target.address, "experiment": served.experiment, "versions": found,
    }  # fmt: skip
    sys.stdout.write((json.dumps(record, indent=2) if arguments.json else _text(record)) + "\n")
    return 0


def _version(target: Target, version: str, *, is_running: bool) -> dict[str, Any]:
    seen: Observations = target.observations(version)
    return {
        "version": version,
        "percent": target.state().percent_of(version),
        "running": is_running,
        "seconds": round(seen.seconds),
        "answered": seen.answered,
        "refused": seen.refused,
        "failed": seen.failed,
    }


def _text(record: dict[str, Any]) -> str:
    experiment = f"; the experiment {record['experiment']} divides the traffic" if record["experiment"] else ""
    lines = [f"{record['model']} on {record['target']}{experiment}"]
    lines += [
        f"  version {one['version']}: {one['percent']:g} % of the traffic, {'running' if one['running'] else 'ENDED'}; "
        f"in {one['seconds']} s answered {one['answered']}, refused {one['refused']}, failed {one['failed']}"
        for one in record["versions"]
    ]
    return "\n".join(lines if record["versions"] else [*lines, "  no version is deployed"])
