"""Freeze the pipeline as this scoring run uses it, and the version that it scores with."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.environment import read_environment
from trainer.errors import ConfigurationError, TrainerError
from trainer.run.folder import PIPELINE_FILE
from trainer.run.ownership import own
from trainer.run.records import StartScoringResult
from trainer.tables.handover import TRAINED_PIPELINE

if TYPE_CHECKING:
    from trainer.environment import Environment
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> StartScoringResult:
    """Settle source and output, write `pipeline.yaml`, look up the version once and keep the pipeline that made it.

    Raises ConfigurationError if there is no `scoring`, no such version or no such source, DataValidationError if the
    data or the version's run folder is gone, ModelRefusedError if no run of this pipeline has registered the version.
    """
    from trainer.scoring.output import address_of
    from trainer.scoring.versions import scoring_version
    from trainer.sources.readers import location_of

    environment = read_environment()
    settled = _settled(pipeline, environment)
    scoring = settled.scoring
    if scoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `scoring`: nothing says which rows to score")
    own(run, environment.airflow_run_id)
    run.at("").write_text(PIPELINE_FILE, settled.to_yaml())
    version = scoring_version(settled)
    run.write_text(TRAINED_PIPELINE, version.pipeline.to_yaml())
    named = f", the alias {version.alias} now" if version.alias else ""
    logger.info("%s is scored with %s version %s%s", settled.name, settled.registry.model, version.number, named)
    return StartScoringResult(
        started_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        airflow_run_id=environment.airflow_run_id,
        image=environment.image,
        source=location_of(scoring.source),
        sample=scoring.source.KIND == "sample",
        output=address_of(scoring.output),
        model=settled.registry.model,
        version=version.number,
        alias=version.alias,
        model_digest=version.digest,
        snapshot=version.reference.snapshot,
        snapshot_digest=version.reference.digest,
        keys=version.reference.keys,
        keys_digest=version.reference.keys_digest,
        training_run=version.run.uri,
        target=version.pipeline.columns.target,
        trained_columns=version.columns,
        inputs=version.inputs,
    )


def _settled(pipeline: Pipeline, environment: Environment) -> Pipeline:
    """Return the pipeline with an absolute source of rows to score, and an absolute output.

    Rows of a built-in sample are scored with the model of a built-in sample.
    """
    from trainer.pipeline import ParquetOutput
    from trainer.sources.row_filter import check_condition
    from trainer.sources.settle import absolute_uri, settle_source

    scoring = pipeline.scoring
    if scoring is None:
        return pipeline
    try:
        check_condition(scoring.source.where)
        found = settle_source(pipeline.model_copy(update={"source": scoring.source}), environment)
    except TrainerError as error:
        error.add_note("This is about the section `scoring` of the pipeline: its source has the rows to score.")
        raise
    output = scoring.output
    if isinstance(output, ParquetOutput):
        output = output.model_copy(update={"uri": absolute_uri(output.uri, environment.data_store)})
    settled = scoring.model_copy(update={"source": found.source, "output": output})
    return pipeline.model_copy(update={"scoring": settled, "registry": found.registry})
