"""Pairs of models whose ROC-AUC is known exactly: their scores are normal in each class (Green and Swets 1966)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.problems.predictions import Predictions

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Array = NDArray[Any]

PRODUCTION_AUC = 0.84
POSITIVE_SHARE = 0.265
"""Of the Telco customers, those who left."""
CUT_OFF = 0.5


@dataclass(frozen=True)
class Rival:
    """How a challenger differs from production; its true gain is exact."""

    gain: float = 0.0
    """In ROC-AUC."""
    correlation: float = 0.95
    """Of both models' scores within a class."""
    few_rows: int | None = None
    """The answers are production's, but for so many rows, which get new ones of the same distribution; gain 0."""
    decimals: int | None = None
    """To which probabilities are rounded, so that many rows tie; gain 0 only, as rounding takes from both alike."""


def separation(auc: float) -> float:
    """The distance d between the classes' means, in standard deviations: AUC = Phi(d / sqrt 2)."""
    from scipy.stats import norm

    return float(2**0.5 * norm.ppf(auc))


def draw_truth(random: Generator, rows: int) -> Array:
    """Which of so many rows are positive (rows,)."""
    positive: Array = random.random(rows) < POSITIVE_SHARE
    return positive


def draw_production(random: Generator, positive: Array) -> Array:
    """Production's scores for rows (n,)."""
    scores: Array = separation(PRODUCTION_AUC) * positive + random.normal(size=positive.size)
    return scores


def draw_rival(random: Generator, rival: Rival, positive: Array, production: Array) -> Array:
    """A challenger's scores (n,) for the rows that production's `production` (n,) are of."""
    if rival.few_rows is not None:
        scores = production.copy()
        changed = random.choice(positive.size, rival.few_rows, replace=False)
        scores[changed] = draw_production(random, positive[changed])
        return scores
    shared = production - separation(PRODUCTION_AUC) * positive
    own = random.normal(size=positive.size)
    noise = rival.correlation * shared + (1 - rival.correlation**2) ** 0.5 * own
    moved: Array = separation(PRODUCTION_AUC + rival.gain) * positive + noise
    return moved


def as_predictions(positive: Array, scores: Array, decimals: int | None = None) -> Predictions:
    """Scores (n,) as a model's answers; Phi of the score, as the order is all that the area looks at."""
    from scipy.stats import norm

    probability = norm.cdf(scores - separation(PRODUCTION_AUC) / 2)
    if decimals is not None:
        probability = probability.round(decimals)
    return Predictions(positive, probability >= CUT_OFF, probability, positive=True)
