"""A confidence sequence for the difference of two means: its intervals hold at all times at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

ALPHA = 0.05
"""Probability that any of the intervals, ever, misses the true difference; asymptotically."""
TUNED_FOR = 10_000
"""Units at which the intervals are about as narrow as they can be."""
LEAST_OUTCOMES = 100
"""In each arm; with fewer the theorem, which is one of large samples, says nothing."""


@dataclass(frozen=True)
class ArmSummary:
    """The outcomes of one arm."""

    count: int
    mean: float
    variance: float
    """Of the outcomes, with n - 1; 0 for fewer than two."""


@dataclass(frozen=True)
class Interval:
    """An interval for a difference."""

    lower: float
    upper: float

    @property
    def excludes_zero(self) -> bool:
        """True if the sign of the difference is known."""
        return self.lower > 0 or self.upper < 0


def difference_interval(a: ArmSummary, b: ArmSummary, alpha: float = ALPHA) -> Interval | None:
    """Return the interval for the mean of B minus that of A, or None while an arm has fewer than 100 outcomes.

    The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2021), "Time-uniform central
    limit theory and asymptotic confidence sequences", Theorem 2.2, two-sided: for t observations with variance s², the
    mean ± s sqrt(2 (t ρ² + 1) / (t² ρ²) log(sqrt(t ρ² + 1) / alpha)). Here t = n_a + n_b, and s² = t (s_a² / n_a +
    s_b² / n_b), the variance of one unit's contribution to the difference.
    """
    if min(a.count, b.count) < LEAST_OUTCOMES:
        return None
    units = a.count + b.count
    variance = units * (a.variance / a.count + b.variance / b.count)
    scaled = units * rho(alpha) ** 2
    radius = math.sqrt(variance * 2 * (scaled + 1) / (units * scaled) * math.log(math.sqrt(scaled + 1) / alpha))
    difference = b.mean - a.mean
    return Interval(difference - radius, difference + radius)


def rho(alpha: float, units: int = TUNED_FOR) -> float:
    """Return the parameter by which the interval is narrowest at a number of units (the same paper, appendix B.2)."""
    return math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / units)
