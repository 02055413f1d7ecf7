"""Publish the scored rows, all at once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.run.records import PublishScoresResult, ScoreResult
from trainer.tables.handover import SCORED

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> PublishScoresResult:
    """Publish `scored.parquet` in place of what an earlier try of this run has published, and of nothing else.

    Raises ConfigurationError if the output refuses the rows, OutageError if it does not answer; then nothing of this
    try is visible.
    """
    from trainer.scoring.output import publish

    if pipeline.scoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `scoring`")
    run.at("score").result(ScoreResult)
    with run.at("score").local(SCORED) as file:
        published = publish(pipeline.scoring.output, file, run.key)
    again = f", in place of {published.replaced:,} of an earlier try" if published.replaced else ""
    logger.info("%s: %d rows published%s", published.address, published.rows, again)
    return PublishScoresResult(output=published.address, rows=published.rows, replaced=published.replaced)
