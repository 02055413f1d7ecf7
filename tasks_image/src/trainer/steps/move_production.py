"""Move production as an approved request says: forward to a version that a run has judged, or back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.environment import read_environment
from trainer.errors import ConfigurationError
from trainer.run.flow import APPROVE_REQUEST
from trainer.run.folder import PIPELINE_FILE
from trainer.run.ownership import own
from trainer.run.records import MoveProductionResult, RequestResult

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> MoveProductionResult:
    """Make the move that a person has approved; done again, nothing changes.

    Raises StepNotDoneError without an approval, ConfigurationError if the version is not one of this pipeline,
    ModelRefusedError if its run did not decide to promote it, and PromotionConflictError if production has moved since.
    """
    from trainer.registry.promotion import roll_back
    from trainer.registry.promotion_of_run import promote_approved
    from trainer.registry.tracking import PIPELINE_TAG, connect
    from trainer.registry.versions import aliases_of, find_version

    request = run.at(APPROVE_REQUEST).result(RequestResult)
    own(run, read_environment().airflow_run_id)
    run.at("").write_text(PIPELINE_FILE, pipeline.to_yaml())
    client = connect()
    made_by = find_version(client, request.model, version=request.version).tags.get(PIPELINE_TAG)
    if made_by != pipeline.name:
        raise ConfigurationError(
            f"{request.model} version {request.version} is one of the pipeline {made_by!r}, not of {pipeline.name!r}; "
            "ask its own DAG"
        )
    move = roll_back if request.move == "rollback" else promote_approved
    said = move(client, request.model, request.version, run.at("").uri_of(), request.reason)
    logger.info("%s", said)
    aliases = aliases_of(client, request.model)
    return MoveProductionResult(model=request.model, version=request.version, said=said, aliases=aliases)
