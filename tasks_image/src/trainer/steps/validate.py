"""Check the snapshot: critical checks that fail stop the run, others are reported."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.modalities import modality_of
from trainer.pipeline import did_you_mean
from trainer.problems import problem_of
from trainer.run.records import IngestResult, ValidateResult
from trainer.tables.handover import SNAPSHOT

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

RESULTS = "validation.json"
REPORT = "validation.html"
EXAMPLES = 5


def run(pipeline: Pipeline, run: RunFolder) -> ValidateResult:
    """Run the pipeline's checks; write what was found as JSON and as a page.

    Raises DataValidationError where the target or the id cannot be used, or a critical check has failed.
    """
    import polars as pl

    from trainer.checks.expectations import run_checks
    from trainer.checks.targets import with_classes_as_in_table
    from trainer.reports.failed_checks import refuse_or_warn
    from trainer.reports.validation_report import render_validation_report

    ingest = run.at("ingest").result(IngestResult)
    if not pipeline.validation:
        logger.warning(
            "no checks: pipeline %s lists none under `validation`, so nothing is known of its data", pipeline.name
        )
    with run.at("ingest").local(SNAPSHOT) as file:
        rows = pl.scan_parquet(file)
        _refuse_unusable(pipeline, rows, ingest.source)
        checks = with_classes_as_in_table(pipeline, rows)
        results, own = run_checks(checks, {"rows": rows, "source": _source_facts(ingest).lazy()})
        results += modality_of(pipeline).validate(pipeline, rows)
    found = [result.model_dump(mode="json") for result in results]
    run.write_json(RESULTS, {"checks": found, "great_expectations": own})
    report = run.write_text(REPORT, render_validation_report(pipeline.name, results, _facts(ingest)))
    failed = [result for result in results if not result.passed]
    remedy = f"Mend the data, or the checks under `validation`; every finding: {report}"
    refuse_or_warn(failed, len(results), ingest.source, remedy)
    return ValidateResult(passed=True, checks=len(results), failed=failed, report=report)


def _source_facts(ingest: IngestResult) -> pl.DataFrame:
    """One row; a fact that is not known has no column, so that a check of it fails."""
    import polars as pl

    facts = {
        "rows": ingest.rows,
        "columns": len(ingest.columns),
        "age_days": ingest.age_days,
        "newest_row_age_days": ingest.newest_row_age_days,
    }
    return pl.DataFrame([{name: value for name, value in facts.items() if value is not None}])


def _facts(ingest: IngestResult) -> dict[str, str]:
    facts = {
        "Source": ingest.source,
        "Rows": f"{ingest.rows:,} of {ingest.rows_in_source:,}",
        "Columns": str(len(ingest.columns)),
        "Source last changed": f"{ingest.age_days:.1f} days before it was read",
        "Snapshot": ingest.digest[:12],
    }
    if ingest.newest_row_age_days is not None:
        facts["Newest row"] = f"{ingest.newest_row_age_days:.1f} days old"
    if ingest.notes:
        facts["Assumed"] = "; ".join(ingest.notes)
    if ingest.sample:
        facts["Kind"] = "built-in sample, not real data"
    return facts


def _refuse_unusable(pipeline: Pipeline, rows: pl.LazyFrame, source: str) -> None:
    """What no pipeline can do without, whatever its checks say."""
    present = rows.collect_schema().names()
    mistakes = [
        *_id_mistakes(pipeline, present),
        *_exclude_mistakes(pipeline, present),
        *_target_mistakes(pipeline, rows, present),
        *modality_of(pipeline).unusable(pipeline, rows),
    ]
    if mistakes:
        raise DataValidationError("\n".join(f"{source}: {mistake}" for mistake in mistakes))


def _id_mistakes(pipeline: Pipeline, present: list[str]) -> list[str]:
    name = pipeline.columns.id
    if name is None or name in present:
        return []
    return [f"columns.id: there is no column {name!r}{did_you_mean(name, present)}"]


def _exclude_mistakes(pipeline: Pipeline, present: list[str]) -> list[str]:
    """A slip of the pen in here would let in what must not be an input."""
    absent = [name for name in pipeline.columns.exclude if name not in present]
    return [f"columns.exclude: there is no column {name!r}{did_you_mean(name, present)}" for name in absent]


def _target_mistakes(pipeline: Pipeline, rows: pl.LazyFrame, present: list[str]) -> list[str]:
    import polars as pl

    from trainer.checks.number_texts import find_numbers
    from trainer.sources.plain_types import why_unusable
    from trainer.tables.parquet import column_of

    name = pipeline.columns.target
    if name not in present:
        return [f"columns.target: there is no column {name!r}{did_you_mean(name, present)}"]
    target = column_of(rows, name)
    if why_unusable(target.dtype) or target.dtype.is_temporal():
        return [f"columns.target: {name!r} is {target.dtype}, and a target is a number, a boolean or a text"]
    mistakes = []
    if target.null_count():
        mistakes.append(
            f"columns.target: {name!r} is missing in {target.null_count()} of {len(target)} rows "
            f"({target.null_count() / len(target):.2%}), such as {_rows_where_missing(target)}; "
            "a row without a target can neither train nor judge a model: mend or leave out these rows"
        )
    wrong = problem_of(pipeline.problem).target_mistakes(target, pipeline.columns.positive)
    if wrong and target.dtype == pl.String and (numbers := find_numbers(target)):
        wrong = [f"{wrong[0]}; {numbers}", *wrong[1:]]
    return mistakes + wrong


def _rows_where_missing(target: pl.Series) -> str:
    return ", ".join(f"row {index + 1}" for index in target.is_null().arg_true().head(EXAMPLES))
