"""Read the source once, and keep what was read as the run's snapshot."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.run.results import IngestResult, StartResult

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

SNAPSHOT = "snapshot.parquet"
SECONDS_PER_DAY = 86_400


def run(pipeline: Pipeline, run: RunFolder) -> IngestResult:
    """Read, type and sample the rows; write them as one Parquet file with a digest."""
    from trainer.data.sampling import sample_rows
    from trainer.data.tables import write_table
    from trainer.jobs.readers import reader_for

    start = run.at("start").result(StartResult)
    reader = reader_for(pipeline.source)
    lineage = reader.lineage()
    frame = reader.read()
    if frame.is_empty():
        raise DataValidationError(
            f"{lineage.source}: the table has a header and no rows; nothing can be learned from it"
        )
    stratify_by = pipeline.columns.target if pipeline.problem != "regression" else None
    snapshot = sample_rows(frame, pipeline.run.sample_ratio, pipeline.split.seed, _present(frame, stratify_by))
    digest = write_table(run, SNAPSHOT, snapshot)
    logger.info("%s: %d of %d rows, %d columns", lineage.source, snapshot.height, frame.height, snapshot.width)
    return IngestResult(
        snapshot=run.uri_of(SNAPSHOT),
        source=lineage.source,
        digest=digest,
        rows=snapshot.height,
        rows_in_source=frame.height,
        columns={name: str(kind) for name, kind in snapshot.schema.items()},
        sample=start.sample,
        age_days=_days_since(lineage.changed_at, "the source was changed"),
        newest_row_age_days=_newest_row_age(snapshot, pipeline.columns.time),
    )


def _present(frame: pl.DataFrame, column: str | None) -> str | None:
    """The column, if any; `validate` is what reports a target that is missing."""
    return column if column in frame.columns else None


def _newest_row_age(frame: pl.DataFrame, time_column: str | None) -> float | None:
    import polars as pl

    if time_column is None:
        return None
    if time_column not in frame.columns or not frame.schema[time_column].is_temporal():
        raise DataValidationError(
            f"columns.time: {time_column!r} must be a date or datetime column of the table; "
            f"declare it under source.types. Columns: {', '.join(frame.columns)}"
        )
    newest = frame.select(pl.col(time_column).cast(pl.Datetime("us")).max()).item()
    return None if newest is None else _days_since(newest.replace(tzinfo=UTC), "the newest row is")


def _days_since(moment: datetime, what: str) -> float:
    """Days up to now, never below 0: one of two clocks can be wrong, and a row can be dated ahead."""
    days = (datetime.now(UTC) - moment).total_seconds() / SECONDS_PER_DAY
    if days < 0:
        logger.warning("%s %.3g days after now, at %s: taken as now", what, -days, moment.isoformat())
    return max(0.0, days)
