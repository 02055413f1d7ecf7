"""A figure of predictions, and the same figure for many sets of row weights at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from trainer.problems.predictions import Predictions

    Array = NDArray[Any]
    Weighted = Callable[[Array], Array]
    """From weights (n, resamples), which are 0 or more, to a figure's values (resamples,): NaN where undefined."""


@dataclass(frozen=True)
class Figure:
    """How a metric is computed."""

    name: str
    value: Callable[[Predictions], float]
    """The figure of all rows. Raises DataValidationError where it is undefined."""
    weighted: Callable[[Predictions], Weighted]
    """The figure as a function of row weights; with all weights 1 it is `value`."""
    of_ranks: Callable[[list[tuple[Array, Array]]], Weighted] | None = None
    """For a figure that looks at ranks alone: the same from whether each row is of a class (n,) and its rank (n,), for
    each class. Two models need not mean the same by a probability, so only their ranks can be swapped."""
