"""Read the labels once, and see which scored rows they belong to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError
from trainer.run.records import ReadLabelsResult, ReadScoresResult
from trainer.tables.handover import LABELS

if TYPE_CHECKING:
    import polars as pl

    from trainer.monitoring.labels import Labels
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

EXAMPLES = 5


def run(pipeline: Pipeline, run: RunFolder) -> ReadLabelsResult:
    """Write `labels.parquet`: one label for each id.

    Raises DataValidationError if a column is missing, there is no label, or none belongs to a scored row.
    """
    from trainer.monitoring.labels import id_and_label, labels_by_id
    from trainer.scoring.columns import row_id
    from trainer.sources.readers import location_of, open_source
    from trainer.tables.parquet import write_table

    source = None if pipeline.monitoring is None else pipeline.monitoring.labels
    if source is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no `monitoring.labels`")
    name, target, address = row_id(pipeline), pipeline.columns.target, location_of(source)
    scored = _scored_ids(run)
    with open_source(source, [name, target]) as table:
        rows = table.use(lambda found: id_and_label(found, name, target, address).collect(engine="streaming"))
    labels = labels_by_id(rows, address)
    strangers = labels.table.filter(~labels.table["id"].is_in(scored.implode()))["id"]
    if len(strangers) == labels.table.height:
        raise DataValidationError(
            f"{address}: none of {labels.table.height:,} ids with a label was scored; they are such as "
            f"{_shown(strangers)}, scored ids such as {_shown(scored)}; read ids as the scored rows have them "
            "(`rename`, `types` of `monitoring.labels`), or look further back with `monitoring.days`"
        )
    _log(labels, strangers, address)
    return ReadLabelsResult(
        labels_file=run.uri_of(LABELS),
        source=table.lineage.source,
        digest=write_table(run, LABELS, labels.table),
        rows=labels.rows,
        ids=labels.table.height,
        missing=labels.missing,
        without_id=labels.without_id,
        repeated=labels.repeated,
        contradicting=len(labels.contradicting),
        contradicting_examples=labels.contradicting.head(EXAMPLES).to_list(),
        never_scored=len(strangers),
        never_scored_examples=strangers.head(EXAMPLES).to_list(),
        type=str(labels.table["label"].dtype),
    )


def _scored_ids(run: RunFolder) -> pl.Series:
    """Return each id (n,) of the window once, as a string."""
    import polars as pl

    from trainer.tables.parquet import read_table

    folder = run.at("read_scores")
    runs = folder.result(ReadScoresResult).runs
    ids = [read_table(folder, f"{one.key}.parquet", ["id"])["id"] for one in runs]
    return pl.concat(ids).unique(maintain_order=True)


def _log(labels: Labels, strangers: pl.Series, address: str) -> None:
    logger.info(
        "%s: %d ids with a label; %d rows without a label yet, %d repeated, %d without an id",
        address, labels.table.height, labels.missing, labels.repeated, labels.without_id,
    )  # fmt: skip
    if len(labels.contradicting):
        logger.warning(
            "%s: %d ids have labels that contradict each other, and are set aside: %s",
            address, len(labels.contradicting), _shown(labels.contradicting),
        )  # fmt: skip
    if len(strangers):
        logger.warning(
            "%s: %d ids with a label were not scored in this time: %s", address, len(strangers), _shown(strangers)
        )


def _shown(ids: pl.Series) -> str:
    return ", ".join(map(repr, ids.head(EXAMPLES).to_list()))
