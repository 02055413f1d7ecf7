"""Read the rows to score once, and keep those columns that the version knows."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.run.records import ReadRowsResult, StartScoringResult
from trainer.tables.handover import ROWS

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

SECONDS_PER_DAY = 86_400
EXAMPLES = 5


def run(pipeline: Pipeline, run: RunFolder) -> ReadRowsResult:
    """Write the rows once, as a Parquet file with a digest, a batch of rows at a time.

    Raises DataValidationError if there are no rows, or an input of the model or the id is missing.
    """
    import polars as pl

    from trainer.scoring.columns import chosen_columns
    from trainer.sources.readers import open_source
    from trainer.tables.parquet import file_digest, height_of, sink_rows

    if pipeline.scoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `scoring`")
    start = run.at("start_scoring").result(StartScoringResult)
    found: list[str] = []

    def write(rows: pl.LazyFrame, file: Path) -> None:
        names = rows.collect_schema().names()
        found[:] = names
        sink_rows(rows.select(chosen_columns(names, pipeline, start)), file)

    with run.staged(ROWS) as file:
        with open_source(pipeline.scoring.source, _named(pipeline), file.parent) as table:
            table.use(lambda rows: write(rows, file))
        lineage, height, digest = table.lineage, height_of(file), file_digest(file)
        columns = {name: str(kind) for name, kind in pl.read_parquet_schema(file).items()}
    ignored = [name for name in found if name not in columns]
    if ignored:
        more = f" and {len(ignored) - EXAMPLES} more" if len(ignored) > EXAMPLES else ""
        shown = f"{', '.join(map(repr, ignored[:EXAMPLES]))}{more}"
        logger.info("%s: ignored, since version %s takes none of them: %s", lineage.source, start.version, shown)
    logger.info("%s: %d rows to score, %d columns", lineage.source, height, len(columns))
    return ReadRowsResult(
        rows_file=run.uri_of(ROWS),
        source=lineage.source,
        digest=digest,
        rows=height,
        columns=columns,
        ignored=ignored,
        age_days=max(0.0, (datetime.now(UTC) - lineage.changed_at).total_seconds() / SECONDS_PER_DAY),
        notes=list(lineage.notes),
    )


def _named(pipeline: Pipeline) -> list[str]:
    """The columns that the pipeline names beside its sources, without the target."""
    return [name for name in pipeline.columns.named if name != pipeline.columns.target]
