"""`trainer serve`: a router on this machine that answers requests with a pipeline's promoted version."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.commands.step import given_pipeline
from trainer.environment import read_environment
from trainer.errors import ConfigurationError
from trainer.process import logs

if TYPE_CHECKING:
    import argparse

    from trainer.scoring.versions import ScoringVersion

logger = logging.getLogger(__name__)

PORT = 8090


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "serve",
        help="answer requests with a pipeline's promoted version until Ctrl-C",
        description="Run a router on this machine before a process for each version that is deployed to it. The first "
        "time, the production version gets all traffic; later, the router goes on with what it served. Other versions "
        "come by `trainer deploy` or the DAG.",
    )
    command.add_argument("--config", required=True, metavar="FILE", help="the pipeline's YAML")
    command.add_argument("--port", type=int, default=PORT, help=f"of 127.0.0.1 (default: {PORT}); 0: any that is free")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; returns 0. Raises ConfigurationError if nothing can be served."""
    from trainer.deployment.targets import LOCAL
    from trainer.deployment.versions import deployed_version, rules_of, with_model
    from trainer.experiments.outcomes import keep_exposures
    from trainer.serving.run_router import run_router
    from trainer.serving.state import STATE_FILE, ServingState, read

    environment = read_environment()
    logs.set_up(environment.log_format)
    kind, _, place = environment.serving.partition("://")
    if kind != LOCAL or not place:
        raise ConfigurationError(
            f"serving: {environment.serving!r} is no folder of this machine, so no router runs here; the environment "
            "says `serving: local:///folder`"
        )
    pipeline = with_model(given_pipeline(arguments.config), environment)
    rules_of(pipeline)
    model = pipeline.registry.model
    folder = Path(place) / model
    known = read(folder, STATE_FILE, ServingState)
    version = deployed_version(pipeline)
    first = None if known and known.split.main else (version.number, version.digest)
    if known and known.split.main not in ("", version.number):
        logger.info(
            "%s: version %s is in service; %s is version %s now: `make deploy` lets it answer", model, known.split.main,
            version.alias or "the version to deploy", version.number,
        )  # fmt: skip
    run_router(model, folder, arguments.port, lambda url: _tell(url, version), first, keep_exposures)
    return 0


def _tell(url: str, version: ScoringVersion) -> None:
    """Print where requests go, with one that works."""
    from trainer.deployment.request_rows import as_text
    from trainer.deployment.versions import smoke_rows

    request = as_text(smoke_rows(version, 1)).replace("'", "'\\''")
    sys.stdout.write(
        f"Requests: {url}/invocations (metrics: {url}/metrics, health: {url}/health). Ctrl-C ends it. For example:\n\n"
        f"curl {url}/invocations -H 'Content-Type: application/json' -d '{request}'\n\n"
    )
    sys.stdout.flush()
