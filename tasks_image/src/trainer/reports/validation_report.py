"""The validation page: what was checked of the data, and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

from trainer.pipeline.data import Dimension
from trainer.reports.page import render_page

if TYPE_CHECKING:
    from trainer.run.records import CheckResult


class Verdict(NamedTuple):
    """The page's first line: `kind` is the style's class."""

    kind: str
    title: str
    text: str


def render_validation_report(pipeline_name: str, result: list[CheckResult], facts: dict[str, str]) -> str:
    """One self-contained HTML page: the verdict, the facts, failed critical checks, warnings, passed by dimension."""
    critical = [check for check in result if not check.passed and check.severity == "critical"]
    warnings = [check for check in result if not check.passed and check.severity != "critical"]
    return render_page(
        "validation.html.j2",
        pipeline_name=pipeline_name,
        verdict=_verdict(len(result), len(critical), len(warnings)),
        facts=facts,
        critical=critical,
        warnings=warnings,
        passed=_by_dimension([check for check in result if check.passed]),
    )


def _verdict(checks: int, critical: int, warnings: int) -> Verdict:
    if not checks:
        return Verdict("warn", "Nothing was checked", "The pipeline lists no checks under `validation`.")
    if critical:
        others = f" {_counted(warnings, 'warning')} beside." if warnings else ""
        return Verdict(
            "bad", "Data refused", f"{critical} of {_counted(checks, 'check')} failed and stop the run.{others}"
        )
    if warnings:
        text = f"{_counted(warnings, 'warning')} of {_counted(checks, 'check')}: the run goes on."
        return Verdict("warn", f"Passed with {_counted(warnings, 'warning')}", text)
    return Verdict("good", "Passed", f"{_counted(checks, 'check')}, none failed.")


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _by_dimension(passed: list[CheckResult]) -> list[tuple[str, list[CheckResult]]]:
    grouped = [(name, [check for check in passed if check.dimension == name]) for name in get_args(Dimension)]
    return [(name, checks) for name, checks in grouped if checks]
