"""Compare the snapshot with the one that production's model was trained on."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.run.records import ColumnDrift, DriftResult, IngestResult
from trainer.tables.handover import SNAPSHOT

if TYPE_CHECKING:
    import polars as pl

    from trainer.drift.new_rows import NewRows
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

VERDICT_FILE = "drift.json"
REPORT_FILE = "drift.html"
EXAMPLES = 5


def run(pipeline: Pipeline, run: RunFolder) -> DriftResult:
    """Judge every input column, and the target apart; writes `drift.json` and `drift.html`.

    Raises DataValidationError where the reference cannot be read, where a column has gone or is of another type, and,
    with `when_drifted: fail`, where the data set has drifted (its files are written before).
    """
    import polars as pl

    from trainer.drift.new_rows import new_rows
    from trainer.registry.reference import learned_until, reference_rows
    from trainer.registry.versions import production_reference

    run.at("ingest").result(IngestResult)
    reference = production_reference(pipeline.registry.model)
    if reference is None:
        logger.info("%s has no production version yet: there is nothing to compare with", pipeline.registry.model)
        return _written(DriftResult(status="no_reference"), run)
    with reference_rows(reference) as before, run.at("ingest").local(SNAPSHOT) as snapshot:
        current = pl.scan_parquet(snapshot)
        columns = _columns(pipeline, before, current)
        new = new_rows(before, current, pipeline.columns.time, pipeline.columns.id)
        found = _compare(pipeline, run, before, new, columns)
        time = pipeline.columns.time if pipeline.refit == "everything" else None
        until = learned_until(reference, before, time) if time else None
    share = sum(drift.drifted for drift in found.columns) / len(found.columns)
    result = DriftResult(
        status="drifted" if share >= pipeline.drift.share else "stable",
        reference=reference.snapshot,
        reference_version=reference.version,
        share=share,
        columns=found.columns,
        target=found.target,
        compared=new.kind,
        rows=found.rows,
        learned_until=until,
        report=run.uri_of(REPORT_FILE),
    )
    return _judge(_written(result, run), pipeline)


@dataclass(frozen=True)
class _Compared:
    columns: list[ColumnDrift]
    target: ColumnDrift
    rows: int


def _compare(
    pipeline: Pipeline, run: RunFolder, reference: pl.LazyFrame, new: NewRows, columns: list[str]
) -> _Compared:
    """Compare columns of the new rows with the reference, and write the report."""
    import polars as pl

    from trainer.drift.compare import compare_tables
    from trainer.drift.evidently_page import write_drift_report
    from trainer.drift.months import month_limits

    compared = [*columns, pipeline.columns.target]
    usual = month_limits(reference, pipeline.columns.time, compared) if new.kind == "newer" else {}
    drifts = compare_tables(reference, new.rows, compared, pipeline.drift, usual)
    with run.staged(REPORT_FILE) as file:
        write_drift_report(reference, new.rows, columns, pipeline.drift, drifts, file)
    return _Compared(drifts[:-1], drifts[-1], new.rows.select(pl.len()).collect().item())


def _columns(pipeline: Pipeline, reference: pl.LazyFrame, current: pl.LazyFrame) -> list[str]:
    """The columns to compare: the inputs that the reference has; one that is new has nothing to be compared with.

    Else no version with a new column could ever become production; but one that the pipeline does not name would become
    an input that nobody asked for, and is refused. A column that has gone is compared, and so refused.
    """
    before, now = reference.collect_schema().names(), current.collect_schema().names()
    inputs = [name for name in now if name not in pipeline.columns.not_inputs]
    new = [name for name in inputs if name not in before]
    columns = [name for name in before if name not in pipeline.columns.not_inputs]
    if not columns:
        raise DataValidationError(
            "drift: the reference has no column to compare: all are the id, the time, the target or excluded; "
            "name inputs under `columns`"
        )
    _refuse_unnamed([name for name in new if name not in pipeline.source.declared])
    if new:
        logger.warning("new since production was trained, and not compared: %s", ", ".join(new))
    return columns


def _refuse_unnamed(new: list[str]) -> None:
    if new:
        shown = ", ".join(map(repr, new[:EXAMPLES]))
        raise DataValidationError(
            f"{len(new)} {'column is' if len(new) == 1 else 'columns are'} new since production was trained, and the "
            f"pipeline does not name {'it' if len(new) == 1 else 'them'}: {shown}; a model that takes what nobody "
            "expected cannot be served. Give a type under `source.types` to make a new column an input, or list it "
            "under `columns.exclude`"
        )


def _written(result: DriftResult, run: RunFolder) -> DriftResult:
    run.write_json(VERDICT_FILE, result.model_dump(mode="json", exclude={"seconds", "finished_at"}))
    return result


def _judge(result: DriftResult, pipeline: Pipeline) -> DriftResult:
    """Say what was found; raises DataValidationError where drift is to fail the run."""
    drifted = [drift for drift in result.columns if drift.drifted]
    for drift in (*drifted, *([result.target] if result.target and result.target.drifted else [])):
        logger.info("drifted: %s", _explain(drift))
    summary = (
        f"{len(drifted)} of {len(result.columns)} columns drifted since version {result.reference_version} "
        f"({result.share:.0%}, from {pipeline.drift.share:.0%} on the data set has): {result.status}; compared: "
        f"{result.what}"
    )
    if result.status == "drifted" and pipeline.drift.when_drifted == "fail":
        raise DataValidationError(
            f"{summary}. {'; '.join(map(_explain, drifted))}. See {result.report}; look for the cause, or set "
            "`drift.when_drifted: warn` to train on data that has moved"
        )
    logger.log(logging.WARNING if result.status == "drifted" else logging.INFO, "%s", summary)
    return result


def _explain(drift: ColumnDrift) -> str:
    """The column with the statistics that exceed their thresholds."""
    exceeding = [
        f"{name} {value:.3f} > {drift.thresholds[name]:.3f}"
        for name, value in drift.statistics.items()
        if value > drift.thresholds[name]
    ]
    return f"{drift.column} ({', '.join(exceeding)})"
