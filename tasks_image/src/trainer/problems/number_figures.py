"""Figures of predicted numbers beside the true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.pipeline import metrics_for
from trainer.problems.figure import Figure
from trainer.problems.weighted_figures import weighted_mean, weighted_mean_of_defined, weighted_r2, weighted_root_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.problems.predictions import Predictions

    Array = NDArray[Any]


def _rmse(predictions: Predictions) -> float:
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(predictions.truth, predictions.predicted))


def _mse(predictions: Predictions) -> float:
    from sklearn.metrics import mean_squared_error

    return float(mean_squared_error(predictions.truth, predictions.predicted))


def _mae(predictions: Predictions) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(predictions.truth, predictions.predicted))


def _r2(predictions: Predictions) -> float:
    from sklearn.metrics import r2_score

    truth = predictions.truth
    if (truth == truth[0]).all():
        only = f"all {truth.size} target values are {truth[0]}"
        raise DataValidationError(f"r2 is undefined: {only}; score rows whose targets differ")
    return float(r2_score(truth, predictions.predicted))


def _mean_relative_error(predictions: Predictions) -> float:
    """Over the rows whose target is not 0: scikit-learn divides by a tiny number there, and one row decides all."""
    import numpy as np

    shares = _relative_errors(predictions)
    if np.isnan(shares).all():
        raise DataValidationError(
            f"mape is undefined: all {shares.size} target values are 0; score rows whose targets are not"
        )
    return float(np.nanmean(shares))


def _relative_errors(predictions: Predictions) -> Array:
    """The distance of each answer from the truth, as a share of the truth (n,); NaN where the truth is 0."""
    import numpy as np

    truth = np.asarray(predictions.truth, dtype=float)
    undefined = np.full(truth.shape, np.nan)
    shares: Array = np.divide(abs(predictions.predicted - truth), abs(truth), out=undefined, where=truth != 0)
    return shares


def _errors(predictions: Predictions) -> Array:
    """True less predicted numbers (n,)."""
    return _truth(predictions) - predictions.predicted


def _truth(predictions: Predictions) -> Array:
    import numpy as np

    truth: Array = np.asarray(predictions.truth, dtype=float)
    return truth


_FIGURES = {
    "rmse": Figure("rmse", _rmse, lambda made: weighted_root_mean(_errors(made) ** 2)),
    "mse": Figure("mse", _mse, lambda made: weighted_mean(_errors(made) ** 2)),
    "mae": Figure("mae", _mae, lambda made: weighted_mean(abs(_errors(made)))),
    "mape": Figure("mape", _mean_relative_error, lambda made: weighted_mean_of_defined(_relative_errors(made))),
    "r2": Figure("r2", _r2, lambda made: weighted_r2(_truth(made), _errors(made) ** 2)),
}
NUMBER_FIGURES = {name: _FIGURES[name] for name in metrics_for("regression")}
