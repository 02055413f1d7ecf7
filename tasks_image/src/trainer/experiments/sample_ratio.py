"""A sequential check that units fall to the arms as the split says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ALPHA = 0.001
"""Probability of a false alarm, ever."""
CONCENTRATION = 100.0
"""Of the prior under a mismatch: as much as so many units, in the ratio that was asked for."""
LIMIT = -math.log(ALPHA)
"""Logarithm of the Bayes factor from which on there is a mismatch."""


def log_bayes_factor(count_a: Array, count_b: Array, share_b: float) -> Array:
    """Return the logarithm of the Bayes factor of another ratio against the one asked for, for each pair of counts.

    Under the ratio asked for it is a martingale that begins at 1, so it ever reaches 1 / alpha with a probability of at
    most alpha (Ville). Lindon and Malek (2022), "Anytime-valid inference for multinomial count data", for two classes.

    :param count_a: units of A (n,)
    :param count_b: units of B (n,)
    """
    from scipy.special import betaln

    prior_a, prior_b = CONCENTRATION * (1 - share_b), CONCENTRATION * share_b
    under_other = betaln(prior_a + count_a, prior_b + count_b) - betaln(prior_a, prior_b)
    found: Array = under_other - count_a * math.log1p(-share_b) - count_b * math.log(share_b)
    return found
