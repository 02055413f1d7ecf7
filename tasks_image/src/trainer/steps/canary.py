"""Give the version a part of the traffic."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.environment import read_environment
from trainer.run.records import CanaryResult, StageResult, StartDeploymentResult

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> CanaryResult:
    """Divide the traffic between the version in service and the new one; where none is in service, it gets all.

    Raises PromotionConflictError if the alias has moved since the run started, and what the target raises.
    """
    from trainer.deployment.targets import target_of
    from trainer.deployment.versions import refuse_moved, rules_of
    from trainer.serving.traffic import WHOLE, Share

    start = run.at("start_deployment").result(StartDeploymentResult)
    run.at("stage").result(StageResult)
    refuse_moved(start)
    target = target_of(read_environment().serving, start.model)
    served = target.state()
    if served.main in ("", start.version):
        target.divide((Share(version=start.version, percent=WHOLE),), served.revision)
        logger.info("version %s has all traffic: no other version was in service", start.version)
        return CanaryResult(percent=WHOLE, main="")
    percent = rules_of(pipeline).canary_percent
    shares = (
        Share(version=served.main, percent=WHOLE - percent),
        Share(version=start.version, percent=percent),
    )
    target.divide(shares, served.revision)
    logger.info("version %s has %g %% of the traffic, version %s the rest", start.version, percent, served.main)
    return CanaryResult(percent=percent, main=served.main)
