"""Figures of predicted numbers beside the true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def regression_figure(metric: str, truth: Array, predicted: Array) -> float:
    """One figure of numbers (n,). Raises DataValidationError where it is undefined for these targets."""
    from sklearn import metrics

    if metric == "mape":
        return _mean_relative_error(truth, predicted)
    if metric == "r2" and (truth == truth[0]).all():
        only = f"all {truth.size} target values are {truth[0]}"
        raise DataValidationError(f"r2 is undefined: {only}; score rows whose targets differ")
    functions = {
        "rmse": metrics.root_mean_squared_error,
        "mse": metrics.mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "r2": metrics.r2_score,
    }
    return float(functions[metric](truth, predicted))


def relative_errors(truth: Array, predicted: Array) -> Array:
    """The distance of each answer from the truth, as a share of the truth (n,); NaN where the truth is 0."""
    import numpy as np

    truth = np.asarray(truth, dtype=float)
    undefined = np.full(truth.shape, np.nan)
    shares: Array = np.divide(abs(predicted - truth), abs(truth), out=undefined, where=truth != 0)
    return shares


def _mean_relative_error(truth: Array, predicted: Array) -> float:
    """Over the rows whose target is not 0: scikit-learn divides by a tiny number there, and one row decides all."""
    import numpy as np

    shares = relative_errors(truth, predicted)
    if np.isnan(shares).all():
        raise DataValidationError(
            f"mape is undefined: all {shares.size} target values are 0; score rows whose targets are not"
        )
    return float(np.nanmean(shares))
