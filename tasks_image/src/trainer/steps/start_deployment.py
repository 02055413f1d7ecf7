"""Freeze the pipeline as this deployment uses it, and the version that it deploys."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.environment import read_environment
from trainer.errors import ConfigurationError
from trainer.run.folder import PIPELINE_FILE
from trainer.run.ownership import own
from trainer.run.records import StartDeploymentResult

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> StartDeploymentResult:
    """Look up the version once, ask the target what it serves, and write `pipeline.yaml`.

    Raises ConfigurationError if there is no `deployment`, no such version or no target, ModelRefusedError if no run of
    this pipeline has registered the version, OutageError if the target is away.
    """
    from trainer.deployment.targets import target_of
    from trainer.deployment.versions import deployed_version, with_model

    environment = read_environment()
    settled = with_model(pipeline, environment)
    version = deployed_version(settled)
    target = target_of(environment.serving, settled.registry.model)
    served = target.state()
    if served.experiment:
        raise ConfigurationError(
            f"{settled.registry.model}: the experiment {served.experiment} divides the traffic, so nothing is "
            f"deployed; end it first: trainer experiment end {served.experiment}"
        )
    own(run, environment.airflow_run_id)
    run.at("").write_text(PIPELINE_FILE, settled.to_yaml())
    logger.info(
        "%s version %s is deployed to %s, where %s has the traffic",
        settled.registry.model, version.number, target.address, f"version {served.main}" if served.main else "none",
    )  # fmt: skip
    return StartDeploymentResult(
        started_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        airflow_run_id=environment.airflow_run_id,
        image=environment.image,
        target=target.address,
        model=settled.registry.model,
        version=version.number,
        alias=version.alias,
        model_digest=version.digest,
        training_run=version.run.uri,
        before=served.main,
    )
