"""Figures of texts and their log-likelihoods; a text counts by its size.

`perplexity` is exp of the loss per token, so it compares models of one tokenizer only. `bits_per_byte` has the bytes of
the text as its unit, which no tokenizer changes (Gao et al. 2020, "The Pile", section 3.1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trainer.pipeline import metrics_for
from trainer.problems.figure import Figure
from trainer.problems.weighted_figures import weighted_ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.problems.figure import Weighted
    from trainer.problems.predictions import Predictions

    Array = NDArray[Any]


def _perplexity(predictions: Predictions) -> float:
    import numpy as np

    return float(np.exp(_loss(predictions)))


def _loss(predictions: Predictions) -> float:
    """Nats per token over all texts: long ones count more than short ones."""
    return float(-predictions.predicted.sum() / _tokens(predictions).sum())


def _bits_per_byte(predictions: Predictions) -> float:
    return float(-predictions.predicted.sum() / (math.log(2) * predictions.truth.sum()))


def _weighted_perplexity(predictions: Predictions) -> Weighted:
    import numpy as np

    loss = weighted_ratio(-predictions.predicted, _tokens(predictions))
    return lambda weights: np.exp(loss(weights))


def _tokens(predictions: Predictions) -> Array:
    import numpy as np

    tokens: Array = np.asarray(predictions.tokens, dtype=float)
    return tokens


def _weighted_bits(predictions: Predictions) -> Weighted:
    return weighted_ratio(-predictions.predicted / math.log(2), predictions.truth)


_FIGURES = {
    "perplexity": Figure("perplexity", _perplexity, _weighted_perplexity),
    "bits_per_byte": Figure("bits_per_byte", _bits_per_byte, _weighted_bits),
}
TEXT_FIGURES = {name: _FIGURES[name] for name in metrics_for("language_modeling")}
