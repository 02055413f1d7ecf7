"""The verdict on a version that has a part of the traffic, beside the one that has the rest. Figures in, verdict out.

A figure that is beyond its limit by more than chance explains ends the watch at once. That is asked every few seconds,
so chance has to be 1 in 10,000 each time. At the end of the watch the figures themselves count.

Sources: Clopper and Pearson 1934 for shares; order statistics (David and Nagaraja, Order Statistics, 2003, ch. 7.1) for
quantiles; permutations for distances (`trainer.drift.null`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from trainer.run.records.deployment import WatchedFigure

if TYPE_CHECKING:
    from trainer.pipeline import Deployment
    from trainer.serving.observed import Observations

BEYOND_DOUBT = 1e-4
"""Largest probability, at each look, that a figure's lower end is above the truth."""
QUANTILE = 0.95
SECONDS_PER_MINUTE = 60


class Verdict(NamedTuple):
    """The conclusion from a look at a version."""

    take_back: list[str]
    """Why the version is taken back; empty if it is not."""
    figures: list[WatchedFigure]
    is_over: bool
    """True if nothing is waited for any more."""


def verdict(rules: Deployment, canary: Observations, main: Observations, *, answers_are_classes: bool) -> Verdict:
    """Judge a version by what was seen of it and of the main version meanwhile."""
    figures = [
        _errors(rules, canary), *_latency(rules, canary, main),
        *_answers(rules, canary, main, answers_are_classes=answers_are_classes),
    ]  # fmt: skip
    beyond_doubt = [figure.says for figure in figures if figure.low is not None and figure.low > figure.limit]
    if beyond_doubt:
        return Verdict(beyond_doubt, figures, is_over=True)
    if canary.seconds < rules.canary_minutes * SECONDS_PER_MINUTE:
        return Verdict([], figures, is_over=False)
    reasons = [figure.says for figure in figures if not figure.kept]
    if canary.counted < rules.min_requests:
        reasons.append(
            f"it was asked {canary.counted} times in {canary.seconds / SECONDS_PER_MINUTE:.3g} minutes, and "
            f"`deployment.min_requests` is {rules.min_requests}: too few to know anything"
        )
    return Verdict(reasons, figures, is_over=True)


def _errors(rules: Deployment, canary: Observations) -> WatchedFigure:
    limit, n = rules.limits.error_rate, canary.counted
    rate = canary.failed / n if n else None
    low, high = share_interval(canary.failed, n) if n else (None, None)
    last = f"; the last: {canary.last_failure}" if canary.last_failure else ""
    between = f" ({rate:.3g}, {_ends(low, high)})" if rate is not None and low is not None else ""
    says = f"it failed to answer {canary.failed} of {n} requests{between}; the limit is {limit:g}{last}"
    return WatchedFigure(
        name="error_rate", value=rate, low=low, high=high, limit=limit, kept=rate is None or rate <= limit, says=says
    )


def _latency(rules: Deployment, canary: Observations, main: Observations) -> list[WatchedFigure]:
    if not canary.milliseconds or not main.milliseconds:
        return []
    limit, slack = rules.limits.latency_ratio, rules.limits.latency_slack_ms
    own, other = (quantile_interval(side.milliseconds) for side in (canary, main))
    ratio, low = own.value / other.value, own.low / other.high
    high = own.high / other.low if other.low and math.isfinite(own.high) else None
    kept = ratio <= limit or own.value - other.value <= slack
    says = (
        f"95 % of its answers took up to {own.value:.3g} ms, beside {other.value:.3g} ms of the version in service: "
        f"{ratio:.3g} times as long, {_ends(low, high)}; the limit is {limit:g} (or {slack:g} ms)"
    )
    sure = low if own.low - other.high > slack else min(low, limit)
    return [WatchedFigure(name="latency_ratio", value=ratio, low=sure, high=high, limit=limit, kept=kept, says=says)]


def _answers(
    rules: Deployment, canary: Observations, main: Observations, *, answers_are_classes: bool
) -> list[WatchedFigure]:
    if answers_are_classes or not canary.numbers or not main.numbers:
        if not canary.labels or not main.labels:
            return []
        distance, chance = _distance_of_classes(main.labels, canary.labels)
    else:
        distance, chance = _distance_of_numbers(main.numbers, canary.numbers, by_deviation=not main.labels)
    limit = rules.limits.answers
    says = (
        f"its answers are {distance:.3g} away from those of the version in service (chance alone: up to {chance:.3g}); "
        f"the limit is {limit:g}"
    )
    return [
        WatchedFigure(
            name="answers", value=distance, low=max(distance - chance, 0.0), high=min(distance + chance, 1.0),
            limit=limit, kept=distance <= limit or distance <= chance, says=says,
        )
    ]  # fmt: skip


def _distance_of_numbers(reference: list[float], current: list[float], *, by_deviation: bool) -> tuple[float, float]:
    """The Wasserstein distance, and what chance explains of it; of numbers, in standard deviations of the reference."""
    import numpy as np

    from trainer.drift.effect_sizes import pool, wasserstein, wasserstein_scale
    from trainer.drift.null import wasserstein_null

    ascending = np.sort(np.array(reference))
    pooled = pool(ascending, np.sort(np.array(current)))
    scale = wasserstein_scale(ascending, pooled) if by_deviation else 1.0
    return wasserstein(pooled) / scale, wasserstein_null(pooled) / scale


def _distance_of_classes(reference: list[str], current: list[str]) -> tuple[float, float]:
    """The Jensen-Shannon distance of the classes' shares, and what chance explains of it."""
    import polars as pl

    from trainer.drift.effect_sizes import category_counts, jensen_shannon_distance
    from trainer.drift.null import binned_null

    counts = category_counts(pl.Series(reference), pl.Series(current))
    return float(jensen_shannon_distance(counts[0], counts[1])), binned_null(counts)["jensen_shannon"]


class Quantile(NamedTuple):
    """A quantile of times in milliseconds, and the ends of its interval."""

    value: float
    low: float
    high: float


def quantile_interval(values: list[float]) -> Quantile:
    """The 95th percentile of values (n ≥ 1) and an interval for it that holds whatever their distribution.

    Its ends are order statistics: the number of values below the true quantile is binomial. Where there are too few
    values for an upper end, it is infinite, and the lower one 0.
    """
    from scipy.stats import binom

    ordered, n = sorted(values), len(values)
    below = int(binom.ppf(BEYOND_DOUBT, n, QUANTILE)) - 1
    above = int(binom.isf(BEYOND_DOUBT, n, QUANTILE))
    value = ordered[math.ceil(QUANTILE * n) - 1]
    return Quantile(value, ordered[below] if below >= 0 else 0.0, ordered[above] if above < n else math.inf)


def share_interval(failed: int, n: int) -> tuple[float, float]:
    """The ends of Clopper's and Pearson's interval for a share of n ≥ 1, each wrong once in 10,000."""
    from scipy.stats import beta

    low = float(beta.ppf(BEYOND_DOUBT, failed, n - failed + 1)) if failed else 0.0
    return low, float(beta.isf(BEYOND_DOUBT, failed + 1, n - failed)) if failed < n else 1.0


def _ends(low: float, high: float | None) -> str:
    return f"at least {low:.3g}" if high is None else f"between {low:.3g} and {high:.3g}"
