"""What a model answers, beside what is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError, ModelRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Array = NDArray[Any]

EXAMPLES = 5
SUM_TOLERANCE = 1e-3
"""How far a row's class probabilities may be from 1 in sum: 32-bit floats of many classes add up to a little less."""


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
    tokens: Array | None = None
    """Tokens (n,) that a language model has scored of each text; None for other problems."""

    def __post_init__(self) -> None:
        if self.truth.size == 0:
            raise DataValidationError("there are no rows to score")
        if self.truth.ndim != 1 or self.predicted.shape != self.truth.shape:
            raise ModelRefusedError(f"predictions of shape {self.predicted.shape} for truth of {self.truth.shape}")
        _refuse(self.truth, _missing(self.truth), "true values are missing or not finite", DataValidationError)
        _refuse(self.predicted, _missing(self.predicted), "predictions are missing or not finite", ModelRefusedError)
        if self.probability is not None:
            check_probability(self.probability, self.truth.size)
            _check_classes(self, self.probability)

    def rows(self, chosen: Array) -> Predictions:
        """The predictions of some rows, given by a mask (n,) or by positions."""
        probability = None if self.probability is None else self.probability[chosen]
        tokens = None if self.tokens is None else self.tokens[chosen]
        truth, predicted = self.truth[chosen], self.predicted[chosen]
        return Predictions(truth, predicted, probability, self.classes, self.positive, tokens)

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


def check_probability(probability: Array, rows: int) -> None:
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
