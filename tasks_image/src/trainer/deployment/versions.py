"""The version that a run deploys, and rows to try it with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError, PromotionConflictError
from trainer.registry.versions import PRODUCTION
from trainer.scoring.versions import version_in_use
from trainer.sources.settle import SAMPLE_SUFFIX

if TYPE_CHECKING:
    import polars as pl

    from trainer.environment import Environment
    from trainer.pipeline import Deployment, Pipeline
    from trainer.run.records import StartDeploymentResult
    from trainer.scoring.versions import ScoringVersion

logger = logging.getLogger(__name__)


def with_model(pipeline: Pipeline, environment: Environment) -> Pipeline:
    """Return the pipeline with the name of the model that has a production version.

    Where only runs on a built-in sample have promoted one, and the environment allows samples, that is the sample's.
    """
    from trainer.registry.tracking import connect
    from trainer.registry.versions import version_of

    client, model = connect(), pipeline.registry.model
    sample = f"{model}{SAMPLE_SUFFIX}"
    if not environment.samples or version_of(client, model, PRODUCTION) or not version_of(client, sample, PRODUCTION):
        return pipeline
    logger.warning("%s has no production version; %s is taken, which was trained on a built-in sample", model, sample)
    return pipeline.model_copy(update={"registry": pipeline.registry.model_copy(update={"model": sample})})


def rules_of(pipeline: Pipeline) -> Deployment:
    """Return the section `deployment`. Raises ConfigurationError if there is none."""
    if pipeline.deployment is None:
        raise ConfigurationError(
            f"pipeline {pipeline.name} has no section `deployment`: nothing says how it is deployed"
        )
    return pipeline.deployment


def deployed_version(pipeline: Pipeline, number: str = "") -> ScoringVersion:
    """Look up the version of a number, or that of `deployment.version`; raises as `version_in_use` does."""
    return version_in_use(pipeline, number or str(rules_of(pipeline).version), "deployment")


def refuse_moved(start: StartDeploymentResult) -> None:
    """Raise PromotionConflictError if the alias by which a run took its version names another one by now."""
    from trainer.registry.tracking import connect
    from trainer.registry.versions import version_of

    if not start.alias:
        return
    found = version_of(connect(), start.model, start.alias)
    now = str(found.version) if found else ""
    if now != start.version:
        raise PromotionConflictError(
            f"{start.model}: the alias {start.alias} named version {start.version} when this run started, and names "
            f"{f'version {now}' if now else 'no version'} now; version {start.version} gets no more traffic: start a "
            "new run"
        )


def smoke_rows(version: ScoringVersion, most: int) -> pl.DataFrame:
    """Return test rows (up to `most`, the inputs) of the run that made a version. Raises DataValidationError."""
    from trainer.tables.handover import rows_of

    try:
        rows, _, _ = rows_of(version.pipeline, version.run, "test")
    except FileNotFoundError as error:
        raise DataValidationError(
            f"{version.run.uri}: the rows of the run that made version {version.number} are gone ({error}), so there "
            "are no real rows to try it with; bring the run folder back from a backup, or deploy another version"
        ) from error
    if rows.is_empty():
        raise DataValidationError(f"{version.run.uri}: its test part has no rows to try the version with")
    return rows.select(version.inputs).head(most)
