"""What a registered version has to keep to before anything moves: one list of checks, each with its value and limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.errors import ModelRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from trainer.isolated.scoring import Tried
    from trainer.pipeline import Acceptance, Behaviour
    from trainer.problems import Problem
    from trainer.problems.predictions import Predictions
    from trainer.run.records import Behaved

LARGEST_DIFFERENCE = 1e-6
"""Between what a model answered in training and what it answers once loaded (floats travel through no text)."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    says: str
    """A sentence: what was found, beside what is allowed."""
    value: float | None = None
    limit: float | None = None
    unit: str = ""


def refused(checks: list[Check]) -> str:
    """What the failed checks say, as one text; empty if all passed."""
    return "; ".join(check.says for check in checks if not check.passed)


def checks_of_use(limits: Acceptance, tried: Tried) -> list[Check]:
    """Format, signature, and the pipeline's limits."""
    return [*_usable(tried), *_within_limits(limits, tried)]


def as_in_training(difference: float) -> Check:
    """Whether a loaded model answers as it did in training, but for a difference that floats explain."""
    says = f"predictions differ from those of training by up to {difference:.3g}, the limit is {LARGEST_DIFFERENCE:g}"
    return Check("as in training", difference <= LARGEST_DIFFERENCE, says, difference, LARGEST_DIFFERENCE)


def as_expected(behaviours: Sequence[Behaviour], found: Sequence[Behaved]) -> list[Check]:
    """Check each expectation that a pipeline has of a loaded model, by the results of its trials."""
    from trainer.decision.behaviour import behaviour_result

    results = [behaviour_result(expected, found) for expected in behaviours]
    return [
        Check(one.name, one.verdict == "passed", f"{one.name}: {one.reason}", one.value, one.limit) for one in results
    ]


def answers(
    problem: Problem, truth: pl.Series, output: pl.DataFrame, positive: Any
) -> tuple[Check, Predictions | None]:
    """Whether a model's answers (n rows) are numbers, finite, in range and of known classes; and they, if they are."""
    try:
        _check_columns(problem, output)
        predictions = problem.predictions(truth, output, positive)
    except ModelRefusedError as error:
        return Check("answers", passed=False, says=str(error)), None
    says = f"{output.height} answers for {truth.len()} rows, finite, in range and of known classes"
    return Check("answers", passed=True, says=says), predictions


def _check_columns(problem: Problem, output: pl.DataFrame) -> None:
    """Raises ModelRefusedError unless the columns that the problem needs are there, and are numbers."""
    numbers = problem.needed_columns(output.columns)
    absent = [name for name in dict.fromkeys(("prediction", *numbers)) if name not in output.columns]
    if absent:
        raise ModelRefusedError(f"the answers lack {', '.join(absent)}; they have {', '.join(output.columns)}")
    texts = [f"{name} ({output.schema[name]})" for name in numbers if not output.schema[name].is_numeric()]
    if texts:
        raise ModelRefusedError(f"answers that are no numbers: {', '.join(texts)}")


def _usable(tried: Tried) -> Iterator[Check]:
    faults = "; ".join(tried.format_faults)
    yield Check("format", not faults, faults or "flavor, code, signature, input example, exact requirements are there")
    columns = ", ".join(tried.not_refused)
    says = f"rows without {columns} are not refused by its signature" if columns else "a missing column is refused"
    yield Check("signature", not columns, says)


def _within_limits(limits: Acceptance, tried: Tried) -> Iterator[Check]:
    one, batch = tried.one_row, tried.batch
    rows = f"{tried.batch_rows} rows"
    yield _at_most("size", tried.size_mb, limits.max_size_mb, "MB")
    yield _at_most("time for one row, median", one.median_ms, limits.max_latency_ms, "ms")
    yield _at_most("time for one row, 99th percentile", one.p99_ms, limits.max_latency_p99_ms, "ms")
    yield _at_most(f"time for {rows}, median", batch.median_ms, limits.max_batch_latency_ms, "ms")
    yield _at_most(f"time for {rows}, 99th percentile", batch.p99_ms, limits.max_batch_latency_p99_ms, "ms")
    yield _at_most("peak memory", tried.memory_mb, limits.max_memory_mb, "MB")


def _at_most(name: str, value: float, limit: float | None, unit: str) -> Check:
    allowed = "no limit is set" if limit is None else f"the limit is {limit:g} {unit}"
    passed = limit is None or value <= limit
    return Check(name, passed, f"{name} is {value:.1f} {unit}, {allowed}", value, limit, unit)
