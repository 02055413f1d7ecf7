"""Pictures of a regression's errors on test rows, production's beside the challenger's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.number_format import number_text
from trainer.plots.drawing import FIRST, SECOND, SOFT, WIDTH, Drawing, figure

if TYPE_CHECKING:
    from trainer.problems.predictions import Predictions

MOST_POINTS = 2000
SEED = 42


def residual_drawing(target: str, challenger: Predictions, production: Predictions | None) -> Drawing:
    """True against predicted values, and how the errors are distributed."""
    import numpy as np

    errors = np.asarray(challenger.predicted - challenger.truth, dtype=float)
    half, most = map(number_text, np.quantile(abs(errors), [0.5, 0.9]))
    title = f"Half of the predictions are within {half} of the true {target}, nine in ten within {most}"
    made, (left, right) = figure(title, width=1.6 * WIDTH, panels=2)
    _scatter(left, target, challenger)
    _distribution(right, target, errors, production)
    alt = (
        f"{title}. Residuals of {errors.size:,} test rows: mean {number_text(errors.mean())}, standard deviation "
        f"{number_text(errors.std())}, from {number_text(errors.min())} to {number_text(errors.max())}."
    )
    return Drawing("residuals", title, alt, made)


def _scatter(panel: Any, target: str, predictions: Predictions) -> None:
    import numpy as np

    size = predictions.truth.size
    chosen = np.random.default_rng(SEED).permutation(size)[:MOST_POINTS]
    truth, predicted = predictions.truth[chosen], predictions.predicted[chosen]
    panel.plot(truth, predicted, ".", color=FIRST, alpha=0.45, markersize=5, markeredgewidth=0, rasterized=True)
    ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
    panel.plot(ends, ends, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    panel.set(xlabel=f"true {target}", ylabel=f"predicted {target}")
    panel.grid(visible=True)
    panel.set_axisbelow(True)


def _distribution(panel: Any, target: str, errors: Any, production: Predictions | None) -> None:
    import numpy as np

    others = None if production is None else np.asarray(production.predicted - production.truth, dtype=float)
    every = errors if others is None else np.concatenate([errors, others])
    edges = np.histogram_bin_edges(every, bins=min(60, max(10, int(np.sqrt(errors.size)))))
    panel.hist(errors, bins=edges, color=FIRST, alpha=0.6, label="challenger")
    if others is not None:
        panel.hist(others, bins=edges, histtype="step", color=SECOND, linewidth=2, label="production")
        panel.legend(loc="upper right")
    panel.axvline(0, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    panel.set(xlabel=f"predicted - true {target}", ylabel="test rows")
