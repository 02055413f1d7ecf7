"""One gate's result, and the questions that every gate asks of a figure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from trainer.pipeline import Limit
    from trainer.run.records import Compared

Verdict = Literal["passed", "failed", "not_better", "may_be_worse"]
Kind = Literal["figure", "slice", "behaviour", "comparison"]


class GateResult(BaseModel):
    """One gate: what was found, what was asked, and what follows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: float | None
    """The challenger's figure; for the comparison, its gain over production."""
    limit: float
    production: float | None = None
    """Production's figure on the same rows."""
    interval: tuple[float, float] | None = None
    """Confidence interval of the gain."""
    rows: int | None = None
    """Rows that the value rests on, where they are not simply all test rows."""
    kind: Kind = "figure"
    verdict: Verdict
    reason: str
    rule: Literal["", "better", "not_worse"] = ""
    """Of a comparison; empty for other gates."""
    margin: float | None = None
    """Of the rule `not_worse`."""
    bound: float | None = None
    """The gain's one-sided lower bound, which has to exceed -`margin`."""
    compared_with: str = ""
    """The version of a comparison."""


def against_limit(value: float | None, limit: Limit) -> tuple[Verdict, str]:
    """Whether a figure keeps to its limit, and why; one that is missing or not finite does not."""
    if value is None:
        return "failed", "the figure is missing"
    if not math.isfinite(value):
        return "failed", f"the figure is {value}, which is no number to judge by"
    higher = limit.better == "higher"
    if (value >= limit.limit) if higher else (value <= limit.limit):
        return "passed", f"{value:.6g} is {'at least' if higher else 'at most'} {limit.limit:.6g}"
    return "failed", f"{value:.6g} is {'below' if higher else 'above'} the limit {limit.limit:.6g}"


def is_figure(value: float | None) -> bool:
    """Whether there is a number to judge by."""
    return value is not None and math.isfinite(value)


def figure_or_none(value: float | None) -> float | None:
    """A figure as JSON can hold it."""
    return value if is_figure(value) else None


def interval_of(compared: Compared | None) -> tuple[float, float] | None:
    """The interval of a gain, or None where there is none."""
    known = compared is not None and is_figure(compared.lower) and is_figure(compared.upper)
    return (compared.lower, compared.upper) if compared and known else None
