"""A share counted in a simulation, and how far off it may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """So many hits in so many independent trials."""

    hits: int
    trials: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.hits / self.trials

    @property
    def upper(self) -> float:
        """The one-sided 95 % upper bound (Clopper and Pearson 1934)."""
        from scipy.stats import beta

        return 1.0 if self.hits == self.trials else float(beta.ppf(CONFIDENCE, self.hits + 1, self.trials - self.hits))

    @property
    def lower(self) -> float:
        """The one-sided 95 % lower bound."""
        from scipy.stats import beta

        return float(beta.ppf(1 - CONFIDENCE, self.hits, self.trials - self.hits + 1)) if self.hits else 0.0

    @property
    def error(self) -> float:
        """The Monte-Carlo standard error."""
        return math.sqrt(self.value * (1 - self.value) / self.trials)

    def __add__(self, other: Share) -> Share:
        return Share(self.hits + other.hits, self.trials + other.trials)


def at_least(needed: int, trials: int, share: float) -> float:
    """How probable `needed` hits or more are in independent trials of a share."""
    from scipy.stats import binom

    return float(binom.sf(needed - 1, trials, share))
