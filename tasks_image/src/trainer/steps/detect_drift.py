"""Compare the snapshot with the one that production's model was trained on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.drift.columns import explained
from trainer.errors import DataValidationError
from trainer.modalities import modality_of
from trainer.run.records import DriftResult, IngestResult
from trainer.tables.handover import DRIFT, SNAPSHOT

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

REPORT_FILE = "drift.html"


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
        new = new_rows(before, current, pipeline.columns.time, pipeline.columns.id)
        with run.staged(REPORT_FILE) as page:
            found = modality_of(pipeline).compare(pipeline, before, new, page)
        rows = new.rows.select(pl.len()).collect().item()
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
        rows=rows,
        learned_until=until,
        report=run.uri_of(REPORT_FILE),
    )
    return _judge(_written(result, run), pipeline)


def _written(result: DriftResult, run: RunFolder) -> DriftResult:
    run.write_json(DRIFT, result.model_dump(mode="json", exclude={"seconds", "finished_at"}))
    return result


def _judge(result: DriftResult, pipeline: Pipeline) -> DriftResult:
    """Say what was found; raises DataValidationError where drift is to fail the run."""
    drifted = [drift for drift in result.columns if drift.drifted]
    for drift in (*drifted, *([result.target] if result.target and result.target.drifted else [])):
        logger.info("drifted: %s", explained(drift))
    summary = (
        f"{len(drifted)} of {len(result.columns)} columns drifted since version {result.reference_version} "
        f"({result.share:.0%}, from {pipeline.drift.share:.0%} on the data set has): {result.status}; compared: "
        f"{result.what}"
    )
    if result.status == "drifted" and pipeline.drift.when_drifted == "fail":
        raise DataValidationError(
            f"{summary}. {'; '.join(map(explained, drifted))}. See {result.report}; look for the cause, or set "
            "`drift.when_drifted: warn` to train on data that has moved"
        )
    logger.log(logging.WARNING if result.status == "drifted" else logging.INFO, "%s", summary)
    return result
