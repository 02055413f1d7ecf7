"""Check the rows to score with the version's input checks, and compare them with the rows that it was trained on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.drift.columns import explained
from trainer.errors import DataValidationError
from trainer.modalities import modality_of
from trainer.pipeline import parse_pipeline
from trainer.run.records import CheckRowsResult, ReadRowsResult, StartScoringResult
from trainer.tables.handover import DRIFT, ROWS, TRAINED_PIPELINE

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import CheckResult, ColumnDrift

logger = logging.getLogger(__name__)

CHECKS = "validation.json"


def run(pipeline: Pipeline, run: RunFolder) -> CheckRowsResult:
    """Write `validation.json` and `drift.json`, then judge them.

    Raises DataValidationError if ids are missing or not unique, a critical check has failed, the version's snapshot
    cannot be read, or rows have drifted and the pipeline says `when_drifted: fail`.
    """
    import polars as pl

    start, read = run.at("start_scoring").result(StartScoringResult), run.at("read_rows").result(ReadRowsResult)
    own = run.at("start_scoring")
    trained = parse_pipeline(own.read_text(TRAINED_PIPELINE), own.uri_of(TRAINED_PIPELINE))
    with run.at("read_rows").local(ROWS) as file:
        rows = pl.scan_parquet(file)
        results = _checked(pipeline, trained, rows, run, read)
        columns = _compared(pipeline, trained, rows, start)
    share = sum(one.drifted for one in columns) / len(columns)
    result = CheckRowsResult(
        checks=len(results),
        not_applied=len(trained.validation) - len(results),
        failed=[one for one in results if not one.passed],
        status="drifted" if share >= pipeline.drift.share else "stable",
        share=share,
        columns=columns,
    )
    found = result.model_dump(mode="json", include={"status", "share", "columns"})
    run.write_json(DRIFT, {"reference": start.snapshot, "reference_version": start.version, **found})
    return _judged(result, pipeline, start)


def _checked(
    pipeline: Pipeline, trained: Pipeline, rows: pl.LazyFrame, run: RunFolder, read: ReadRowsResult
) -> list[CheckResult]:
    from trainer.checks.expectations import run_checks
    from trainer.reports.failed_checks import refuse_or_warn
    from trainer.scoring.checks import checks_of_inputs, refuse_unusable_ids
    from trainer.scoring.columns import row_id

    refuse_unusable_ids(rows, row_id(pipeline), read.source)
    checks = checks_of_inputs(trained.validation, read.columns)
    results, _ = run_checks(checks, {"rows": rows})
    address = run.write_json(CHECKS, {"checks": [one.model_dump(mode="json") for one in results]})
    remedy = (
        f"Nothing was scored. Fix the data; the checks are those of the version's pipeline; every finding: {address}"
    )
    refuse_or_warn([one for one in results if not one.passed], len(results), read.source, remedy)
    return results


def _compared(
    pipeline: Pipeline, trained: Pipeline, rows: pl.LazyFrame, start: StartScoringResult
) -> list[ColumnDrift]:
    from trainer.registry.reference import reference_rows
    from trainer.registry.versions import Reference

    version = f"{start.model} version {start.version}"
    reference = Reference(
        start.version, start.snapshot, start.snapshot_digest, start.keys, start.keys_digest, role="scoring"
    )
    try:
        with reference_rows(reference) as before:
            return modality_of(trained).compare_inputs(trained, before, rows, pipeline.drift)
    except DataValidationError as error:
        error.add_note(f"Rows are scored only after they are compared with the snapshot of {version}.")
        raise


def _judged(result: CheckRowsResult, pipeline: Pipeline, start: StartScoringResult) -> CheckRowsResult:
    """Log the verdict; raise DataValidationError if drift is to fail the run."""
    drifted = [one for one in result.columns if one.drifted]
    summary = (
        f"{len(drifted)} of {len(result.columns)} columns drifted since version {start.version} was trained "
        f"({result.share:.0%}, from {pipeline.drift.share:.0%} on the rows have): {result.status}"
    )
    for one in drifted:
        logger.info("drifted: %s", explained(one))
    if result.status == "drifted" and pipeline.scoring is not None and pipeline.scoring.when_drifted == "fail":
        raise DataValidationError(
            f"{summary}. {'; '.join(map(explained, drifted))}. Nothing was scored: look for the cause, train a version "
            "on newer rows, or set `scoring.when_drifted: warn`"
        )
    logger.log(logging.WARNING if result.status == "drifted" else logging.INFO, "%s", summary)
    return result
