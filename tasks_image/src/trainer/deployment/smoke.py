"""The smoke test of a version that runs and gets no traffic yet."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from trainer.errors import ModelRefusedError
from trainer.evaluation.acceptance import LARGEST_DIFFERENCE

if TYPE_CHECKING:
    import polars as pl

    from trainer.deployment.target import Target

MOST_SINGLE = 50
"""Requests with one row, for the time that one takes."""
EXAMPLES = 3


class SmokeTest(NamedTuple):
    """The answers of a version, compared with those expected."""

    largest_difference: float
    median_ms: float
    p99_ms: float


def smoke_test(target: Target, version: str, rows: pl.DataFrame, expected: pl.DataFrame) -> SmokeTest:
    """Ask a version for rows (n, raw columns), all at once and then one at a time.

    :param expected: what the registered model answers to these rows when it is scored apart (n rows)

    Raises ModelRefusedError if an answer is another one than expected.
    """
    answers = target.ask(version, rows).rows
    difference = largest_difference(answers, expected.to_dicts())
    single = [target.ask(version, rows[number : number + 1]) for number in range(min(MOST_SINGLE, rows.height))]
    largest_difference([one.rows[0] for one in single], expected.head(len(single)).to_dicts())
    times = sorted(one.milliseconds for one in single)
    return SmokeTest(difference, statistics.median(times), times[math.ceil(0.99 * len(times)) - 1])


def largest_difference(answers: list[dict[str, Any]], expected: list[dict[str, Any]]) -> float:
    """Return the largest difference of numbers in answers; of numbers above 1, as a share of them.

    Raises ModelRefusedError if it is above 1e-6, or another class is answered, with examples.
    """
    pairs = list(zip(answers, expected, strict=True))
    wrong = [number for number, (given, wanted) in enumerate(pairs) if not _alike(given, wanted)]
    if wrong:
        examples = "; ".join(
            f"row {number}: {pairs[number][0]}, expected {pairs[number][1]}" for number in wrong[:EXAMPLES]
        )
        raise ModelRefusedError(
            f"{len(wrong)} of {len(pairs)} answers differ from those of the registered model: {examples}"
        )
    return max((_apart(given[name], wanted[name]) for given, wanted in pairs for name in wanted), default=0.0)


def _alike(given: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return given.keys() == wanted.keys() and all(
        _apart(given[name], wanted[name]) <= LARGEST_DIFFERENCE for name in wanted
    )


def _apart(given: Any, wanted: Any) -> float:
    """Return how far two values are apart; values of which one is not a number are equal (0) or not (infinity)."""
    numbers = isinstance(given, int | float) and isinstance(wanted, int | float)
    if not numbers:
        return 0.0 if given == wanted else math.inf
    distance = abs(given - wanted) / max(1.0, abs(wanted))
    return distance if math.isfinite(distance) else math.inf
