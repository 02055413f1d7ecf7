"""Predictions beside the truth, and the figures that are computed from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, DataValidationError, ModelRefusedError
from trainer.evaluation.regression_scores import regression_figure
from trainer.pipeline import METRICS, did_you_mean, metrics_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Array = NDArray[Any]

AREAS = ("auc_roc", "auc_pr")
EXAMPLES = 5
SUM_TOLERANCE = 1e-3
"""How far a row's class probabilities may be from 1 in sum: 32-bit floats of many classes add up to a little less."""
_DIMENSIONS = {"regression": 0, "binary_classification": 1, "multiclass_classification": 2}
"""Dimensions of the probabilities that each problem needs, 0 for none."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model answers for n rows, beside what is true.

    Raises DataValidationError where there are no rows or a true value is missing; ModelRefusedError where lengths
    differ, an answer is missing, not finite or out of range, or a class is not one of the model's.
    """

    truth: Array
    """Class labels or numbers (n,)."""
    predicted: Array
    """Class labels or numbers (n,)."""
    probability: Array | None
    """P(positive) (n,), or of each of the classes (n, k); None for regression."""
    classes: tuple[Any, ...] = ()
    """The k labels in the order of the columns of `probability`."""
    positive: object | None = None
    """The positive label of two classes."""

    def __post_init__(self) -> None:
        if self.truth.size == 0:
            raise DataValidationError("there are no rows to score")
        if self.truth.ndim != 1 or self.predicted.shape != self.truth.shape:
            raise ModelRefusedError(f"predictions of shape {self.predicted.shape} for truth of {self.truth.shape}")
        _refuse(self.truth, _missing(self.truth), "true values are missing or not finite", DataValidationError)
        _refuse(self.predicted, _missing(self.predicted), "predictions are missing or not finite", ModelRefusedError)
        if self.probability is not None:
            _check_probability(self.probability, self.truth.size)
            _check_classes(self, self.probability)

    def rows(self, chosen: Array) -> Predictions:
        """The predictions of some rows, given by a mask (n,) or by positions."""
        probability = None if self.probability is None else self.probability[chosen]
        return Predictions(self.truth[chosen], self.predicted[chosen], probability, self.classes, self.positive)

    def codes(self) -> tuple[Array, Array]:
        """True and predicted classes (n,) as 0 … k-1 in the order of `classes`; 1 is positive where there are two."""
        import numpy as np

        if self.probability is not None and self.probability.ndim == 1:
            return (self.truth == self.positive).astype(int), (self.predicted == self.positive).astype(int)
        labels = np.array(self.classes)
        order = labels.argsort()
        truth, predicted = (order[labels.searchsorted(side, sorter=order)] for side in (self.truth, self.predicted))
        return truth, predicted

    def one_versus_rest(self) -> list[tuple[Array, Array]]:
        """Whether each row is of a class (n,) and its probability (n,): of the positive class, or of each one."""
        import numpy as np

        truth, _ = self.codes()
        probability = np.asarray(self.probability, dtype=float)
        if probability.ndim == 1:
            return [(truth == 1, probability)]
        return [(truth == code, probability[:, code]) for code in range(len(self.classes))]

    def class_probabilities(self) -> Array:
        """Probability of each class (n, k) by its code; a row's sum is 1."""
        import numpy as np

        probability: Array = np.asarray(self.probability, dtype=float)
        if probability.ndim == 1:
            return np.column_stack([1 - probability, probability])
        sums: Array = probability.sum(axis=1, keepdims=True)
        return probability / sums


def score(problem: str, predictions: Predictions, names: Iterable[str] | None = None) -> dict[str, float]:
    """Figures by name, all that fit the problem by default; a division by zero counts as 0 in precision, recall and F1.

    Raises ConfigurationError for a metric that does not fit the problem, DataValidationError where one is undefined,
    ModelRefusedError for predictions of another problem's shape and for figures too large for a float.
    """
    import numpy as np

    wanted = metrics_for(problem) if names is None else list(names)
    _check_request(problem, predictions, wanted)
    with np.errstate(over="ignore"):
        figures = {name: float(_figure(problem, name, predictions)) for name in wanted}
    for name, value in figures.items():
        if not np.isfinite(value):
            raise ModelRefusedError(f"{name} is {value}: the predictions are too far from the truth for a number")
    return figures


def best_f1_cut_off(truth_is_positive: Array, probability: Array) -> float:
    """The cut-off in (0, 1] with the best F1 of the positive class, a row being positive from the cut-off on.

    `truth_is_positive` (n,) and P(positive) (n,). Every distinct probability is tried; of equal ones the lowest wins.
    Raises DataValidationError without a positive row, ModelRefusedError without a probability above 0.
    """
    import numpy as np

    is_positive = np.asarray(truth_is_positive, dtype=bool)
    _check_probability(probability, is_positive.size)
    if not is_positive.any():
        raise DataValidationError(f"no cut-off can be chosen: none of the {is_positive.size} rows is positive")
    levels, where, counts = np.unique(np.asarray(probability, dtype=float), return_inverse=True, return_counts=True)
    if levels[-1] <= 0:
        raise ModelRefusedError(f"no cut-off can be chosen: all {is_positive.size} probabilities are 0")
    hits = np.bincount(where, weights=is_positive, minlength=levels.size)
    found, called = (np.cumsum(column[::-1])[::-1] for column in (hits, counts))
    f1 = 2 * found / (called + is_positive.sum())
    return float(levels[levels > 0][f1[levels > 0].argmax()])


def _figure(problem: str, metric: str, predictions: Predictions) -> float:
    if problem == "regression":
        return regression_figure(metric, predictions.truth, predictions.predicted)
    if metric in AREAS:
        return _area(metric, predictions)
    if metric in ("log_loss", "brier_score"):
        from sklearn.metrics import brier_score_loss, log_loss

        function = log_loss if metric == "log_loss" else brier_score_loss
        probabilities = predictions.class_probabilities()
        return float(function(predictions.codes()[0], probabilities, labels=range(probabilities.shape[1])))
    return _label_figure(metric, *predictions.codes())


def _label_figure(metric: str, truth: Array, predicted: Array) -> float:
    from sklearn import metrics

    if metric == "accuracy":
        return float(metrics.accuracy_score(truth, predicted))
    functions = {
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "f1_score": metrics.f1_score,
    }
    average = "binary" if metric.startswith("positive_") else "weighted"
    function = functions[metric.removeprefix("positive_")]
    return float(function(truth, predicted, average=average, zero_division=0))


def _area(metric: str, predictions: Predictions) -> float:
    """One-vs-rest areas, averaged by class size: a class without a row has no area, and no weight either."""
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    if (predictions.truth == predictions.truth[0]).all():
        only = f"all {predictions.truth.size} rows are of the class {predictions.truth[0]}"
        raise DataValidationError(f"{metric} is undefined: {only}; score rows of two classes at least")
    function = roc_auc_score if metric == "auc_roc" else average_precision_score
    present = [(is_class, column) for is_class, column in predictions.one_versus_rest() if is_class.any()]
    areas = [function(is_class, column) for is_class, column in present]
    return float(np.average(areas, weights=[is_class.sum() for is_class, _ in present]))


def _check_request(problem: str, predictions: Predictions, names: Iterable[str]) -> None:
    if problem not in _DIMENSIONS:
        raise ConfigurationError(f"no metric fits the problem {problem!r}{did_you_mean(problem, _DIMENSIONS)}")
    for name in names:
        if name not in METRICS or problem not in METRICS[name].problems:
            raise ConfigurationError(f"{problem} has no metric {name!r}{did_you_mean(name, metrics_for(problem))}")
    dimensions = 0 if predictions.probability is None else predictions.probability.ndim
    if dimensions != _DIMENSIONS[problem]:
        needed = _DIMENSIONS[problem]
        raise ModelRefusedError(f"{problem} needs probabilities of {needed} dimensions (0: none), not of {dimensions}")
    types = predictions.truth.dtype, predictions.predicted.dtype
    if problem == "regression" and not {kind.kind for kind in types} <= set("iuf"):
        raise ModelRefusedError(f"regression needs numbers; truth is {types[0]}, predictions are {types[1]}")


def _check_probability(probability: Array, rows: int) -> None:
    """Raises ModelRefusedError unless there are n rows of numbers from 0 to 1."""
    if probability.ndim not in (1, 2) or probability.shape[0] != rows or probability.dtype.kind not in "iuf":
        raise ModelRefusedError(f"probabilities are {probability.dtype} of shape {probability.shape} for {rows} rows")
    within = (probability >= 0) & (probability <= 1)  # a NaN is not
    _refuse(probability, ~within, "probabilities are not finite or not from 0 to 1", ModelRefusedError)


def _check_classes(predictions: Predictions, probability: Array) -> None:
    """Raises ModelRefusedError for a label beyond two classes, or beyond those that the columns stand for."""
    import numpy as np

    labels = set(np.unique(predictions.truth).tolist()) | set(np.unique(predictions.predicted).tolist())
    if probability.ndim == 1:
        labels.add(predictions.positive)
        if predictions.positive is None or len(labels) > 2:  # noqa: PLR2004  (binary)
            raise ModelRefusedError(
                f"one probability a row is for two classes, one of them positive; the positive one is "
                f"{predictions.positive!r}, and all are {_shown(labels)}"
            )
        return
    unknown = labels - set(predictions.classes)
    if unknown or probability.shape[1] != len(predictions.classes):
        raise ModelRefusedError(
            f"{probability.shape[1]} columns of probabilities for {len(predictions.classes)} classes; labels that are "
            f"none of these: {_shown(unknown) or 'none'}; train the model on rows of every class"
        )
    sums = probability.sum(axis=1)
    _refuse(sums, abs(sums - 1) > SUM_TOLERANCE, "rows of class probabilities do not add up to 1", ModelRefusedError)


def _missing(values: Array) -> Array:
    """Which values (n,) are None, NaN or infinite."""
    import numpy as np

    if values.dtype.kind == "O":
        return np.array([value is None or value != value for value in values])  # noqa: PLR0124  (NaN)
    return ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)


def _refuse(values: Array, wrong: Array, what: str, error: type[DataValidationError | ModelRefusedError]) -> None:
    if wrong.any():
        raise error(f"{wrong.sum()} of {wrong.size} {what}: {_shown(dict.fromkeys(values[wrong].tolist()))}")


def _shown(values: Iterable[Any]) -> str:
    return ", ".join(sorted(map(repr, values))[:EXAMPLES])
