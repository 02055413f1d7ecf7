"""Score the rows with the run's version, in a process of its own."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.problems import problem_of
from trainer.run.records import CheckRowsResult, ReadRowsResult, ScoreResult, StartScoringResult
from trainer.tables.handover import ROWS, SCORED

if TYPE_CHECKING:
    from trainer.isolated.scoring import Reasons
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)


def run(pipeline: Pipeline, run: RunFolder) -> ScoreResult:
    """Write `scored.parquet`: id, answers, version, run key and time of each row, a batch of rows at a time.

    Raises ConfigurationError if the version was deleted since the run began, or is asked for reasons and gives none,
    ModelRefusedError if its files are others than were registered, or it does not answer each row.
    """
    import polars as pl

    from trainer.isolated.records import unchanged_records
    from trainer.isolated.scoring import score_file_in_isolation
    from trainer.scoring.answers import refuse_unusable_answers, scored_rows
    from trainer.scoring.columns import row_id
    from trainer.scoring.versions import refuse_if_deleted
    from trainer.tables.parquet import file_digest, sink_rows

    scoring = pipeline.scoring
    if scoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `scoring`")
    start, read = run.at("start_scoring").result(StartScoringResult), run.at("read_rows").result(ReadRowsResult)
    run.at("check_rows").result(CheckRowsResult)
    refuse_if_deleted(start.model, start.version)
    uri = f"models:/{start.model}/{start.version}"
    with run.at("read_rows").local(ROWS) as rows, run.staged(SCORED) as file:
        answers = file.with_name("answers.parquet")
        began = time.perf_counter()
        with unchanged_records(run):
            memory = score_file_in_isolation(
                uri, rows, answers, scoring.batch_rows, digest=start.model_digest, reasons=_reasons(scoring.reasons)
            )
        seconds = time.perf_counter() - began
        given = pl.scan_parquet(answers)
        refuse_unusable_answers(given, problem_of(pipeline.problem), uri)
        sink_rows(scored_rows(pl.scan_parquet(rows), row_id(pipeline), given, start, run.key), file)
        digest, columns = file_digest(file), pl.read_parquet_schema(file)
    logger.info("%s: %d rows scored in %.1f s, %.0f MB at most", uri, read.rows, seconds, memory)
    return ScoreResult(
        scored_file=run.uri_of(SCORED),
        digest=digest,
        rows=read.rows,
        columns={name: str(kind) for name, kind in columns.items()},
        model_seconds=seconds,
        memory_mb=memory,
    )


def _reasons(most: int) -> Reasons | None:
    if not most:
        return None
    from trainer.evaluation import tree_shap
    from trainer.isolated.scoring import Reasons

    return Reasons(most, Path(tree_shap.__file__).read_text(encoding="utf-8"))
