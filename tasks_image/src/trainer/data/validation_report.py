"""The validation page: what was checked of the data, and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from trainer.pipeline.data import Dimension

if TYPE_CHECKING:
    from trainer.run.results import CheckResult

LONGEST_VALUE = 200
SMALLEST_SHARE = 0.0001


class Verdict(NamedTuple):
    """The page's first line: `kind` is the style's class."""

    kind: str
    title: str
    text: str


def render_validation_report(pipeline_name: str, result: list[CheckResult], facts: dict[str, str]) -> str:
    """One self-contained HTML page: the verdict, the facts, failed critical checks, warnings, passed by dimension."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trainer"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"count_text": count_text, "share_text": share_text, "value_text": value_text}
    critical = [check for check in result if not check.passed and check.severity == "critical"]
    warnings = [check for check in result if not check.passed and check.severity != "critical"]
    return environment.get_template("validation.html.j2").render(
        pipeline_name=pipeline_name,
        verdict=_verdict(len(result), len(critical), len(warnings)),
        facts=facts,
        critical=critical,
        warnings=warnings,
        passed=_by_dimension([check for check in result if check.passed]),
    )


def count_text(count: int) -> str:
    """A number with separators, such as `7,043`."""
    return f"{count:,}"


def share_text(share: float) -> str:
    """A share (0 to 1) in per cent with two decimals; what is small does not become zero, nor the rest 100."""
    if 0 < share < SMALLEST_SHARE:
        return "<0.01 %"
    if 1 - SMALLEST_SHARE < share < 1:
        return ">99.99 %"
    return f"{share:.2%}".replace("%", " %")


def value_text(value: Any) -> str:
    """A value in one short line; figures of a mapping with four significant digits."""
    if isinstance(value, dict):
        text = ", ".join(f"{key}: {value_text(inner)}" for key, inner in value.items())
    else:
        text = f"{value:.4g}" if isinstance(value, float) and not value.is_integer() else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


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
