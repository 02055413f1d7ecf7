"""Split the rows, and compute features whose constants come from the training rows alone."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError, StepNotDoneError
from trainer.modalities import modality_of
from trainer.pipeline import GivenSplit, GroupSplit, TimeSplit, did_you_mean
from trainer.problems import problem_of
from trainer.run.records import AnyResult, DriftResult, FeaturesResult, IngestResult
from trainer.tables.handover import FEATURES, GROUP, KEY, KEYS, PART, SNAPSHOT, TIME

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

CONSTANTS = "constants.json"
STANDARD_ERRORS = 4
"""How far the share of a class in a part may be from its share in all rows before it is said."""


def run(pipeline: Pipeline, run: RunFolder) -> FeaturesResult:
    """Write one table: key, part, time or group (if split by it), inputs, columns of expressions, derived ones, target.

    Rows stand in the snapshot's order.

    Raises ConfigurationError if an expression, a slice or a behaviour is wrong; DataValidationError if the target is
    absent or incomplete, an id is missing or repeated, or a part lacks rows or a class.
    """
    import polars as pl

    ingest = run.at("ingest")
    ingest.result(IngestResult)
    _refuse_failed_checks(run)
    with ingest.local(SNAPSHOT) as file:
        return _engineer(pipeline, pl.scan_parquet(file), run)


def _refuse_failed_checks(run: RunFolder) -> None:
    """Raise StepNotDoneError if a step that judges the data has failed, or has judged another snapshot."""
    for name in ("validate", "detect_drift"):
        folder = run.at(name)
        if (failure := folder.failure()) is not None:
            raise StepNotDoneError(
                f"step {name!r} failed ({failure.error}: {failure.message}); it has to succeed first"
            )
        if folder.result_or_none(AnyResult) is not None:
            folder.result(AnyResult)


def _engineer(pipeline: Pipeline, snapshot: pl.LazyFrame, run: RunFolder) -> FeaturesResult:
    """The step on the rows of the snapshot, of which only the columns that are computed with are held in memory."""
    import polars as pl

    from trainer.tables.parquet import sink_table, write_table
    from trainer.tables.parts import PARTS
    from trainer.tables.row_keys import fingerprint, row_keys

    labels = _labels(pipeline, snapshot)
    keys = row_keys(snapshot, pipeline.columns.id)
    times = _times(pipeline, snapshot)
    after = _test_rows_after(pipeline, run, times)
    given = _column_of_split(pipeline, snapshot)
    parts, moved = _split(pipeline, keys, labels, times, given, after)
    prepared = modality_of(pipeline).prepare(pipeline, snapshot, parts)
    derived = prepared.table.select(prepared.derived)
    _check_judging(pipeline, pl.concat([snapshot, derived], how="horizontal"), snapshot, parts)
    folds = [] if times is None else [times.alias(TIME)]
    if given is not None and isinstance(pipeline.split, GroupSplit):
        folds.append(given.cast(pl.String).alias(GROUP))
    known = pl.DataFrame([keys.alias(KEY), parts.alias(PART), *folds])
    target = [] if pipeline.target_is_input else [snapshot.select(pipeline.columns.target)]
    sink_table(run, FEATURES, pl.concat([known.lazy(), prepared.table, *target], how="horizontal"))
    keys_digest = write_table(run, KEYS, known.select(KEY, PART))
    run.write_json(CONSTANTS, prepared.constants)
    proportions = _proportions(parts, labels)
    _log(parts, labels, proportions, moved, prepared.became_missing, _why_uneven(pipeline))
    return FeaturesResult(
        table=run.uri_of(FEATURES),
        keys=run.uri_of(KEYS),
        keys_digest=keys_digest,
        rows={part: int((parts == part).sum()) for part in PARTS},
        fingerprints={part: fingerprint(keys.filter(parts == part)) for part in PARTS},
        proportions=proportions,
        constants=prepared.constants,
        inputs=prepared.inputs,
        for_features=prepared.for_features,
        derived=prepared.derived,
        became_missing=prepared.became_missing,
        duplicates_moved=moved,
        test_rows_after=after,
    )


def _test_rows_after(pipeline: Pipeline, run: RunFolder, times: pl.Series | None) -> datetime | None:
    """With `refit: everything`, the newest time that production has learned from.

    None where there is no production, or are too few newer rows to compare with it: then nothing is promoted.
    """
    from trainer.tables.split_by_time import rows_newer_than

    if pipeline.refit != "everything" or times is None:
        return None
    newest = run.at("detect_drift").result(DriftResult).learned_until
    if newest is None:
        return None
    newer, needed = rows_newer_than(newest, times), pipeline.gates.against_production.min_rows
    if newer < needed:
        logger.warning(
            "production has learned from rows up to %s: %d are newer, and %d are needed to compare. Production stays, "
            "and the test rows of this run are those that `split` sets aside", newest, newer, needed,
        )  # fmt: skip
        return None
    logger.info("production has learned from rows up to %s: the test rows are the %d that are newer", newest, newer)
    return newest


def _split(
    pipeline: Pipeline,
    keys: pl.Series,
    labels: pl.Series | None,
    times: pl.Series | None,
    given: pl.Series | None,
    after: datetime | None,
) -> tuple[pl.Series, int]:
    """The part of each row, and how many were moved to the part of an equal row."""
    from trainer.tables.split_by_time import split_after
    from trainer.tables.splits import split_rows

    if after is not None and times is not None and isinstance(pipeline.split, TimeSplit):
        return split_after(pipeline.split, after, labels, times), 0
    return split_rows(pipeline.split, keys, labels, times, given)


def _column_of_split(pipeline: Pipeline, snapshot: pl.LazyFrame) -> pl.Series | None:
    """The column that a split goes by, which names test rows or groups; None for other splits."""
    if not isinstance(pipeline.split, GivenSplit | GroupSplit):
        return None
    name, known = pipeline.split.column, snapshot.collect_schema().names()
    if name not in known:
        raise DataValidationError(f"split.column: the rows have no column {name!r}{did_you_mean(name, known)}")
    return snapshot.select(name).collect().to_series()


def _check_judging(pipeline: Pipeline, whole: pl.LazyFrame, snapshot: pl.LazyFrame, parts: pl.Series) -> None:
    """What the model will be judged by must be there and able to fail: better known now than after a night's tuning."""
    from trainer.evaluation.slices import check_slices
    from trainer.tables.parquet import rows_where

    check_slices(pipeline.gates.slices, whole, parts)
    modality = modality_of(pipeline)
    modality.check_behaviours(pipeline, snapshot.collect_schema())
    if not pipeline.behaviour:
        return
    given = snapshot if pipeline.target_is_input else snapshot.drop(pipeline.columns.target)
    validation = rows_where(given, parts == "validation").collect()
    for behaviour in pipeline.behaviour:
        if not modality.change(behaviour, validation, pipeline.tuning.seed).positions.size:
            logger.warning(
                "behaviour (%s): none of the %d validation rows fits `where`: the model will be refused",
                behaviour.name, validation.height,
            )  # fmt: skip


def _times(pipeline: Pipeline, snapshot: pl.LazyFrame) -> pl.Series | None:
    """When each row was observed, where the split goes by that."""
    name = pipeline.columns.time
    if pipeline.split.KIND != "time" or name is None:
        return None
    known = snapshot.collect_schema().names()
    if name not in known:
        raise DataValidationError(f"columns.time: no column {name!r}{did_you_mean(name, known)}")
    return snapshot.select(name).collect().to_series()


def _labels(pipeline: Pipeline, snapshot: pl.LazyFrame) -> pl.Series | None:
    """The target where it has classes, else None; refused where it is absent, incomplete or of no use."""
    from trainer.tables.parquet import column_of

    target, known = pipeline.columns.target, snapshot.collect_schema().names()
    if target not in known:
        raise DataValidationError(f"columns.target: no column {target!r}{did_you_mean(target, known)}")
    values = column_of(snapshot, target)
    if absent := values.null_count():
        raise DataValidationError(
            f"columns.target: {target!r} is missing in {absent} of {len(values)} rows; leave those rows out"
        )
    problem = problem_of(pipeline.problem)
    if mistakes := problem.target_mistakes(values, pipeline.columns.positive):
        raise DataValidationError("\n".join(mistakes))
    return problem.labels(values)


def _proportions(parts: pl.Series, labels: pl.Series | None) -> dict[str, dict[str, float]]:
    """Part to class to its share of the part's rows; empty for a regression."""
    if labels is None:
        return {}
    return {str(part): _shares(labels.filter(parts == part)) for part in parts.unique(maintain_order=True).sort()}


def _shares(labels: pl.Series) -> dict[str, float]:
    counts = labels.value_counts().sort(labels.name)
    return {str(label): count / len(labels) for label, count in counts.iter_rows()}


def _log(
    parts: pl.Series,
    labels: pl.Series | None,
    proportions: dict[str, dict[str, float]],
    moved: int,
    became_missing: dict[str, int],
    why: str,
) -> None:
    overall = {} if labels is None else _shares(labels)
    for part, rows in parts.value_counts().sort("count", descending=True).iter_rows():
        shares = proportions.get(part, {})
        logger.info("%s: %d rows%s", part, rows, "".join(f", {label} {share:.1%}" for label, share in shares.items()))
        for label, share in shares.items():
            _warn_if_uneven(part, rows, label, share, overall[label], why)
    if moved:
        logger.info("%d rows moved to the part of an equal row", moved)
    for name, count in became_missing.items():
        if count:
            logger.warning("%s: %d values are missing because of a division by zero", name, count)


def _why_uneven(pipeline: Pipeline) -> str:
    """What may be the reason if parts have different shares of a class, by what the split goes by."""
    if isinstance(pipeline.split, TimeSplit):
        return "do the classes change over time, or are the newest targets not all known yet?"
    if isinstance(pipeline.split, GivenSplit):
        return "are the given parts drawn at random?"
    if isinstance(pipeline.split, GroupSplit):
        return "do groups differ in their classes, or are some of them very large?"
    return "are ids related to classes?" if pipeline.columns.id else "are many rows of a class equal?"


def _warn_if_uneven(part: str, rows: int, label: str, share: float, overall: float, why: str) -> None:
    """Chance explains few standard errors, sqrt(p (1 - p) / n); more than that says that rows and parts are related."""
    limit = STANDARD_ERRORS * math.sqrt(overall * (1 - overall) / rows)
    if abs(share - overall) > limit:
        logger.warning(
            "%s: class %s has %.1f%% of the rows, and %.1f%% of all rows; chance explains %.1f points: %s",
            part,
            label,
            100 * share,
            100 * overall,
            100 * limit,
            why,
        )
