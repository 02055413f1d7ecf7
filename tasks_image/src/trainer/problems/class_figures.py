"""Figures of predicted classes and their probabilities beside the true classes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.pipeline import metrics_for
from trainer.problems.figure import Figure
from trainer.problems.weighted_figures import weighted_area, weighted_label_figure, weighted_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.problems.figure import Weighted
    from trainer.problems.predictions import Predictions

    Array = NDArray[Any]

TWO_CLASSES = 2
POSITIVE = 1
"""The code of the positive one of two classes."""


def _accuracy(predictions: Predictions) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(*predictions.codes()))


def _label_figure(kind: str, average: str, predictions: Predictions) -> float:
    from sklearn import metrics

    functions = {
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "f1_score": metrics.f1_score,
    }
    return float(functions[kind](*predictions.codes(), average=average, zero_division=0))


def _area(kind: str, predictions: Predictions) -> float:
    """One-vs-rest areas, averaged by class size: a class without a row has no area, and no weight either."""
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    if (predictions.truth == predictions.truth[0]).all():
        only = f"all {predictions.truth.size} rows are of the class {predictions.truth[0]}"
        raise DataValidationError(f"{kind} is undefined: {only}; score rows of two classes at least")
    function = roc_auc_score if kind == "auc_roc" else average_precision_score
    present = [(is_class, column) for is_class, column in predictions.one_versus_rest() if is_class.any()]
    areas = [function(is_class, column) for is_class, column in present]
    return float(np.average(areas, weights=[is_class.sum() for is_class, _ in present]))


def _log_loss(predictions: Predictions) -> float:
    from sklearn.metrics import log_loss

    probabilities = predictions.class_probabilities()
    return float(log_loss(predictions.codes()[0], probabilities, labels=range(probabilities.shape[1])))


def _brier_score(predictions: Predictions) -> float:
    from sklearn.metrics import brier_score_loss

    probabilities = predictions.class_probabilities()
    return float(brier_score_loss(predictions.codes()[0], probabilities, labels=range(probabilities.shape[1])))


def _hits(predictions: Predictions) -> Array:
    import numpy as np

    return np.equal(*predictions.codes()).astype(float)


def _log_losses(predictions: Predictions) -> Array:
    import numpy as np

    probabilities, (truth, _) = predictions.class_probabilities(), predictions.codes()
    smallest = np.finfo(float).eps  # scikit-learn's bound: the logarithm of 0 has no value
    own: Array = np.clip(probabilities[np.arange(truth.size), truth], smallest, 1 - smallest)
    return -np.log(own)


def _brier_losses(predictions: Predictions) -> Array:
    import numpy as np

    probabilities, (truth, _) = predictions.class_probabilities(), predictions.codes()
    distances: Array = ((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(axis=1)
    return distances / 2 if probabilities.shape[1] == TWO_CLASSES else distances


def _labels(kind: str) -> Figure:
    def weighted(predictions: Predictions) -> Weighted:
        return weighted_label_figure(kind, *predictions.codes())

    return Figure(kind, partial(_label_figure, kind, "weighted"), weighted)


def _positive(kind: str) -> Figure:
    def weighted(predictions: Predictions) -> Weighted:
        return weighted_label_figure(kind, *predictions.codes(), of_code=POSITIVE)

    return Figure(f"positive_{kind}", partial(_label_figure, kind, "binary"), weighted)


def _areas(kind: str) -> Figure:
    def weighted(predictions: Predictions) -> Weighted:
        return weighted_area(kind, predictions.one_versus_rest())

    return Figure(kind, partial(_area, kind), weighted, of_ranks=partial(weighted_area, kind))


_BY_CLASS = {
    "accuracy": Figure("accuracy", _accuracy, lambda made: weighted_mean(_hits(made))),
    **{kind: _labels(kind) for kind in ("precision", "recall", "f1_score")},
    **{kind: _areas(kind) for kind in ("auc_roc", "auc_pr")},
    "log_loss": Figure("log_loss", _log_loss, lambda made: weighted_mean(_log_losses(made))),
    "brier_score": Figure("brier_score", _brier_score, lambda made: weighted_mean(_brier_losses(made))),
}
_OF_POSITIVE = {f"positive_{kind}": _positive(kind) for kind in ("precision", "recall", "f1_score")}
MULTICLASS_FIGURES = {name: _BY_CLASS[name] for name in metrics_for("multiclass_classification")}
BINARY_FIGURES = {name: {**_BY_CLASS, **_OF_POSITIVE}[name] for name in metrics_for("binary_classification")}
