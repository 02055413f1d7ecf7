"""Read the scored rows that a look takes, and those that may still get their labels."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError
from trainer.run import RunFolder
from trainer.run.records import ReadRowsResult, ReadScoresResult, ScoredRun, StartMonitoringResult, StartScoringResult

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Pipeline

logger = logging.getLogger(__name__)

GONE = "its run folder is gone, and with it the rows and the name of the version that has scored them"
EXAMPLES = 3


def run(pipeline: Pipeline, run: RunFolder) -> ReadScoresResult:
    """Write `KEY.parquet` for each scoring run of the window: `id` as a string, and the answers.

    A run whose folder is gone is set aside: only that has its inputs. Raises DataValidationError if there are no scored
    rows, ConfigurationError if the output may not be read, OutageError if it does not answer.
    """
    from trainer.monitoring.earlier import taken_by
    from trainer.monitoring.scores import published_runs
    from trainer.tables.parquet import sink_table

    if pipeline.scoring is None:
        raise ConfigurationError(f"pipeline {pipeline.name} has no section `scoring`")
    start = run.at("start_monitoring").result(StartMonitoringResult)
    taken = taken_by([RunFolder.open(uri) for uri in start.earlier])
    records, runs = dict[str, StartScoringResult | None](), list[ScoredRun]()

    def is_wanted(key: str) -> bool:
        records[key] = scoring = _record(run, key)
        return scoring is not None and _is_in_time(scoring, start)

    with published_runs(pipeline.scoring.output, start.since, is_wanted) as found:
        for key, rows in found.items():
            if (scoring := records[key]) is not None:
                sink_table(run, f"{key}.parquet", answers := _answers(rows))
                runs.append(_scored(key, scoring, answers, is_new=key not in taken))
    result = ReadScoresResult(
        runs=sorted(runs, key=lambda one: (one.scored_at, one.key)),
        too_old=sum(1 for one in records.values() if one is not None and not _is_in_time(one, start)),
        set_aside={key: GONE for key, one in records.items() if one is None},
    )
    _judged(result, start)
    return result


def _record(run: RunFolder, key: str) -> StartScoringResult | None:
    """Return the record of a scoring run of this pipeline whose rows are there, or None."""
    folder = RunFolder.open(f"{run.uri.rpartition('/')[0]}/{key}", run.filesystem)
    if folder.at("read_rows").result_or_none(ReadRowsResult) is None:
        return None
    return folder.at("start_scoring").result_or_none(StartScoringResult)


def _is_in_time(scoring: StartScoringResult, start: StartMonitoringResult) -> bool:
    return datetime.fromisoformat(scoring.started_at) >= datetime.fromisoformat(start.since)


def _answers(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return ids as strings, and the answers; reasons, version, run and time are not needed."""
    import polars as pl

    from trainer.scoring.answers import ID, PREDICTION, PROBABILITY

    names = rows.collect_schema().names()
    taken = [name for name in names if name in (PREDICTION, PROBABILITY) or name.startswith(f"{PROBABILITY}_")]
    return rows.select(pl.col(ID).cast(pl.String), *taken)


def _scored(key: str, scoring: StartScoringResult, answers: pl.LazyFrame, *, is_new: bool) -> ScoredRun:
    import polars as pl

    height = int(answers.select(pl.len()).collect().item())
    return ScoredRun(
        key=key, model=scoring.model, version=scoring.version, scored_at=scoring.started_at, rows=height, is_new=is_new
    )


def _judged(result: ReadScoresResult, start: StartMonitoringResult) -> None:
    """Log what was found; raise DataValidationError if there are no scored rows."""
    for key, reason in list(result.set_aside.items())[:EXAMPLES]:
        logger.warning("%s: the rows of %s are set aside: %s", start.output, key, reason)
    if not result.runs:
        aside = f", {len(result.set_aside)} without a run folder" if result.set_aside else ""
        raise DataValidationError(
            f"{start.output}: expected rows scored since {start.since}, found none ({result.too_old} older runs{aside})"
            "; score rows first (`make score`, or the scoring DAG), or look further back with `monitoring.days`"
        )
    new = [one for one in result.runs if one.is_new]
    logger.info(
        "%s: %d new rows of %d scoring runs; %d further runs may still get labels; %d set aside, %d too old",
        start.output, result.new_rows, len(new), len(result.runs) - len(new), len(result.set_aside), result.too_old,
    )  # fmt: skip
