"""Freeze the pipeline as this look uses it, and note the looks before it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from trainer.environment import read_environment
from trainer.errors import ConfigurationError, TrainerError
from trainer.run.folder import PIPELINE_FILE
from trainer.run.ownership import own
from trainer.run.records import StartMonitoringResult

if TYPE_CHECKING:
    from trainer.environment import Environment
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> StartMonitoringResult:
    """Settle the output with scored rows and the source of labels, and write `pipeline.yaml`.

    Raises ConfigurationError if there is no `monitoring`, DataValidationError if there are no labels where they are
    looked for.
    """
    from trainer.monitoring.earlier import finished_looks
    from trainer.scoring.output import address_of
    from trainer.sources.readers import location_of

    if pipeline.monitoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `monitoring`: nothing says what to look at")
    environment = read_environment()
    settled = _settled(pipeline, environment)
    monitoring, scoring = settled.monitoring, settled.scoring
    if monitoring is None or scoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name}: `monitoring` needs `scoring`, whose rows it looks at")
    own(run, environment.airflow_run_id)
    run.at("").write_text(PIPELINE_FILE, settled.to_yaml())
    now, looks = datetime.now(UTC), finished_looks(run)
    logger.info(
        "%s: a look at rows scored in the last %d days; %d before it", settled.name, monitoring.days, len(looks)
    )
    return StartMonitoringResult(
        started_at=now.isoformat(timespec="microseconds"),
        airflow_run_id=environment.airflow_run_id,
        image=environment.image,
        output=address_of(scoring.output),
        labels=location_of(monitoring.labels) if monitoring.labels else "",
        since=(now - timedelta(days=monitoring.days)).isoformat(timespec="microseconds"),
        earlier=[look.uri for look in looks],
    )


def _settled(pipeline: Pipeline, environment: Environment) -> Pipeline:
    """Return the pipeline with an absolute output and an absolute source of labels."""
    from trainer.pipeline import ParquetOutput
    from trainer.sources.row_filter import check_condition
    from trainer.sources.settle import absolute_uri, settle_source

    sections = dict[str, object]()
    if pipeline.scoring is not None and isinstance(output := pipeline.scoring.output, ParquetOutput):
        settled = output.model_copy(update={"uri": absolute_uri(output.uri, environment.data_store)})
        sections["scoring"] = pipeline.scoring.model_copy(update={"output": settled})
    if pipeline.monitoring is not None and pipeline.monitoring.labels is not None:
        labels = pipeline.monitoring.labels
        try:
            check_condition(labels.where)
            found = settle_source(pipeline.model_copy(update={"source": labels}), environment).source
        except TrainerError as error:
            error.add_note("This is about the section `monitoring` of the pipeline: its source has the labels.")
            raise
        sections["monitoring"] = pipeline.monitoring.model_copy(update={"labels": found})
    return pipeline.model_copy(update=sections)
