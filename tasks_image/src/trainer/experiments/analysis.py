"""The analysis of an experiment: a look at the end of each day, and one now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.experiments.confidence_sequence import LEAST_OUTCOMES, ArmSummary, Interval, difference_interval
from trainer.experiments.records import SECONDS_PER_DAY, Outcome
from trainer.experiments.sample_ratio import ALPHA, LIMIT, log_bayes_factor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from trainer.experiments.records import Experiment

    Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Units:
    """The units of an experiment, one per place (n,)."""

    in_b: Array
    """Boolean: assigned to B."""
    first_at: Array
    """Seconds since 1970."""
    value: Array
    """Outcome; NaN: none yet."""
    recorded_at: Array
    """Seconds since 1970; NaN: no outcome yet."""


@dataclass(frozen=True)
class Look:
    """The state of knowledge at a time."""

    days: float
    """Since the start."""
    units: tuple[int, int]
    """Units answered, of A and B."""
    a: ArmSummary
    b: ArmSummary
    interval: Interval | None
    """For the mean of B minus that of A; None: an arm has too few outcomes."""
    evidence: float
    """Logarithm of the largest Bayes factor up to this look, of units and of those with an outcome."""

    @property
    def is_mismatch(self) -> bool:
        """True if the arms do not have the units that the split says."""
        return self.evidence >= LIMIT


def look_at(units: Units, until: float, share_b: float) -> tuple[Look, float]:
    """Return the look at all that was known at a time, and the evidence of this look alone."""
    import numpy as np

    answered = units.first_at <= until
    known = answered & (units.recorded_at <= until)
    counts = [(int((part & ~units.in_b).sum()), int((part & units.in_b).sum())) for part in (answered, known)]
    both = np.array(counts, dtype=float)
    evidence = float(log_bayes_factor(both[:, 0], both[:, 1], share_b).max())
    a, b = (_summary(units.value[known & arm]) for arm in (~units.in_b, units.in_b))
    return Look(0, counts[0], a, b, difference_interval(a, b), evidence), evidence


def _summary(values: Array) -> ArmSummary:
    count = len(values)
    return ArmSummary(count, float(values.mean()) if count else 0.0, float(values.var(ddof=1)) if count > 1 else 0.0)


def looks_of(experiment: Experiment, units: Units, now: float) -> list[Look]:
    """Return a look at the end of each day since the start, and one now; evidence of a mismatch does not pass away."""
    looks, most = list[Look](), float("-inf")
    for until in _times(experiment.started_at, experiment.ended_at or now):
        look, evidence = look_at(units, until, experiment.traffic_split)
        most = max(most, evidence)
        days = (until - experiment.started_at) / SECONDS_PER_DAY
        looks.append(Look(days, look.units, look.a, look.b, look.interval, most))
    return looks


def _times(start: float, end: float) -> Iterator[float]:
    whole = int((end - start) // SECONDS_PER_DAY)
    yield from (start + day * SECONDS_PER_DAY for day in range(1, whole + 1))
    if not whole or end > start + whole * SECONDS_PER_DAY:
        yield end


def verdict(experiment: Experiment, look: Look, now: float) -> Outcome:
    """Return the result at a look: a winner, none, not enough yet, or a mismatch, which forbids to name one."""
    if look.is_mismatch:
        return Outcome(verdict="mismatch", text=_mismatch(experiment, look))
    if look.interval is None:
        fewer = min(look.a.count, look.b.count)
        return Outcome(
            verdict="not enough",
            text=f"not enough yet: an arm has {fewer:,} outcomes, and each needs {LEAST_OUTCOMES}",
        )
    between = f"B - A is between {look.interval.lower:.4g} and {look.interval.upper:.4g}"
    if look.interval.excludes_zero:
        arm = "b" if look.interval.lower > 0 else "a"
        return Outcome(
            verdict="winner", winner=arm, text=f"winner: {arm.upper()}, version {experiment.version_of(arm)}; {between}"
        )
    if experiment.ended_at or now >= experiment.started_at + experiment.duration_days * SECONDS_PER_DAY:
        return Outcome(verdict="none", text=f"none: neither version is known to be better; {between}")
    return Outcome(verdict="not enough", text=f"not enough yet: {between}, and 0 is among it")


def _mismatch(experiment: Experiment, look: Look) -> str:
    found, known = (_share(*counts) for counts in (look.units, (look.a.count, look.b.count)))
    return (
        f"no winner can be named: B should have {experiment.traffic_split:.2%} of the units and has {found} of those "
        f"answered and {known} of those with an outcome, which chance explains in less than 1 of {1 / ALPHA:,.0f} "
        "experiments; find out which units or outcomes are lost, and begin a new experiment"
    )


def _share(a: int, b: int) -> str:
    return f"{b / (a + b):.2%} ({b:,} of {a + b:,})" if a + b else "none"
