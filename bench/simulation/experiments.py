"""Experiments of known truth, looked at every day by the product's own analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.simulation.share import Share

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from trainer.experiments.records import Experiment

    Array = NDArray[Any]

DAYS = 14
ARM_UNITS = 10_000
"""Units of each arm when the experiment ends."""
RATE = 0.3
GAIN = 0.05
START = 1_000_000.0

Values = Literal["rate", "amount"]


@dataclass(frozen=True)
class Comparison:
    """One line of a table: experiments with one true difference, looked at at the end of each day."""

    difference: float
    trials: int
    rate: float = RATE
    units: int = 2 * ARM_UNITS
    split: float = 0.5
    values: Values = "rate"
    """`rate`: outcomes are 0 or 1; `amount`: lognormal with a standard deviation of 1.3 times the mean, which is 1."""

    def run(self, seed: int, first: int, count: int) -> list[Share]:
        """Of some of the experiments: those in which any look names a winner; those in which it is the wrong one.

        Without a difference, each winner is a wrong one.
        """
        import numpy as np

        own = [round(1000 * part) for part in (self.difference, self.rate, self.split)]
        named = wrong = 0
        for trial in range(first, first + count):
            winners = self._winners(np.random.default_rng([seed, *own, self.units, len(self.values), trial]))
            named += bool(winners)
            wrong += bool(winners - ({"b"} if self.difference else set()))
        return [Share(named, count), Share(wrong, count)]

    def _winners(self, random: Generator) -> set[str]:
        from trainer.experiments.analysis import Units, looks_of, verdict

        in_b = random.random(self.units) < self.split
        at = START + 86_400 * DAYS * np_sorted(random, self.units)
        units = Units(in_b, at, self._outcomes(random, in_b), at)
        experiment = experiment_of(self.split)
        end = START + 86_400 * DAYS
        named = (verdict(experiment, look, end).winner for look in looks_of(experiment, units, end))
        return {str(winner) for winner in named if winner}

    def _outcomes(self, random: Generator, in_b: Array) -> Array:
        if self.values == "amount":
            amounts: Array = random.lognormal(-0.5, 1.0, self.units) + self.difference * in_b
            return amounts
        return (random.random(self.units) < self.rate + self.difference * in_b).astype(float)


@dataclass(frozen=True)
class Ratio:
    """One line of a table: experiments whose units fall to B with some share, checked after each unit."""

    asked: float
    true: float
    trials: int
    units: int = 2 * ARM_UNITS

    def run(self, seed: int, first: int, count: int) -> list[Share]:
        """Of some of the experiments: those in which the check ever says that the ratio is another one."""
        import numpy as np

        from trainer.experiments.sample_ratio import LIMIT, log_bayes_factor

        hits = 0
        for trial in range(first, first + count):
            random = np.random.default_rng([seed, round(1000 * self.asked), round(1000 * self.true), self.units, trial])
            in_b = np.cumsum(random.random(self.units) < self.true)
            in_a = np.arange(1, self.units + 1) - in_b
            hits += bool(log_bayes_factor(in_a, in_b, self.asked).max() >= LIMIT)
        return [Share(hits, count)]


def np_sorted(random: Generator, units: int) -> Array:
    """Draw times (n,) from 0 to 1, sorted."""
    import numpy as np

    return np.sort(random.random(units))


def experiment_of(split: float) -> Experiment:
    """Return an experiment that runs for all days."""
    from trainer.experiments.records import Experiment

    return Experiment(
        name="simulated", model="simulated", version_a="1", version_b="2", traffic_split=split, duration_days=DAYS,
        salt="simulated", created_at=START, started_at=START,
    )  # fmt: skip
