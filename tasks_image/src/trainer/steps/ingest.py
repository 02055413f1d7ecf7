"""Read the source once, and keep what was read as the run's snapshot."""

from __future__ import annotations

import functools
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.problems import problem_of
from trainer.run.records import IngestResult, StartResult
from trainer.tables.handover import SNAPSHOT

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

SECONDS_PER_DAY = 86_400


def run(pipeline: Pipeline, run: RunFolder) -> IngestResult:
    """Read, type and sample the rows; write them once, as a Parquet file with a digest, a batch of rows at a time."""
    import polars as pl

    from trainer.sources.readers import open_source
    from trainer.tables.parquet import file_digest, height_of

    start = run.at("start").result(StartResult)
    with run.staged(SNAPSHOT) as file:
        with open_source(pipeline.source, pipeline.columns.named, file.parent) as table:
            in_source = table.use(functools.partial(_sample, pipeline, file))
        lineage = table.lineage
        rows = height_of(file)
        columns = pl.read_parquet_schema(file)
        newest = _newest_row_age(pl.scan_parquet(file), pipeline.columns.time)
        digest = file_digest(file)
    logger.info("%s: %d of %d rows, %d columns", lineage.source, rows, in_source, len(columns))
    return IngestResult(
        snapshot=run.uri_of(SNAPSHOT),
        source=lineage.source,
        digest=digest,
        rows=rows,
        rows_in_source=in_source,
        columns={name: str(kind) for name, kind in columns.items()},
        sample=start.sample,
        age_days=_days_since(lineage.changed_at, "the source was changed"),
        newest_row_age_days=newest,
        tags=lineage.tags,
        notes=list(lineage.notes),
    )


def _sample(pipeline: Pipeline, file: Path, rows: pl.LazyFrame) -> int:
    """Write the share of the rows that the run is to have, and return the number of all rows."""
    from trainer.tables.parquet import height_of, sink_rows
    from trainer.tables.sampling import sample_rows

    if pipeline.run.sample_ratio >= 1:
        sink_rows(rows, file)
        return height_of(file)
    target = pipeline.columns.target
    is_class = (
        problem_of(pipeline.problem).has_classes and target in rows.collect_schema()
    )  # `validate` reports one that lacks
    ratio, seed = pipeline.run.sample_ratio, pipeline.split.seed
    sampled, in_source = sample_rows(rows, ratio, seed, target if is_class else None)
    sink_rows(sampled, file)
    return in_source


def _newest_row_age(rows: pl.LazyFrame, time_column: str | None) -> float | None:
    import polars as pl

    if time_column is None:
        return None
    schema = rows.collect_schema()
    if time_column not in schema or schema[time_column] not in (pl.Date, pl.Datetime):
        raise DataValidationError(
            f"columns.time: {time_column!r} must be a date or datetime column of the table; "
            f"declare it under source.types. Columns: {', '.join(schema)}"
        )
    newest = rows.select(pl.col(time_column).cast(pl.Datetime("us")).max()).collect(engine="streaming").item()
    return None if newest is None else _days_since(newest.replace(tzinfo=UTC), "the newest row is")


def _days_since(moment: datetime, what: str) -> float:
    """Days up to now, never below 0: one of two clocks can be wrong, and a row can be dated ahead."""
    days = (datetime.now(UTC) - moment).total_seconds() / SECONDS_PER_DAY
    if days < 0:
        logger.warning("%s %.3g days after now, at %s: taken as now", what, -days, moment.isoformat())
    return max(0.0, days)
