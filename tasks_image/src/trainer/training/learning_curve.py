"""How good a model is on training and on validation rows while it is being fitted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from trainer.training.training_rows import TrainingRows

POINTS = 20
MOST_ROWS = 5_000
SMALLEST_SHARE = 1e-15
"""A model that is certain and wrong would have an infinite loss."""


class LogPoint(Protocol):
    """Takes one point; without validation rows `val_loss` and `accuracy` are None, and for numbers `accuracy` is."""

    def __call__(self, epoch: int, train_loss: float, val_loss: float | None, accuracy: float | None) -> None: ...


class TrainingCurve:
    """Scores a growing model after some of its rounds, and hands each point on at once.

    The loss is the log loss for classes and the mean squared error for numbers; the accuracy is that of the most
    probable class on the validation rows. At most `POINTS` rounds are scored, on at most `MOST_ROWS` rows of each part
    spread over it, so that a long training takes little longer; what is trained stays the same.
    """

    def __init__(self, training: TrainingRows, validation: TrainingRows, *, classes: bool, log: LogPoint) -> None:
        spread = (_spread(rows) for rows in (training, validation) if len(rows.targets))
        self.parts = [(rows.matrix, rows.targets) for rows in spread]
        self._classes = classes
        self._log = log

    @property
    def features(self) -> list[NDArray[np.float64]]:
        """The rows to predict: of the training part, then of the validation part where it has any."""
        return [features for features, _ in self.parts]

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Whether a round, counted from 1, is one to score; the last one is."""
        return epoch == epochs or epoch % math.ceil(epochs / POINTS) == 0

    def add(self, epoch: int, predictions: Sequence[NDArray[np.float64]]) -> None:
        """Score the predictions for `features`: numbers (n,), P(class 1) (n,), or each class's probability (n, k)."""
        import numpy as np

        losses = [self._loss(truth, made) for (_, truth), made in zip(self.parts, predictions, strict=True)]
        accuracy = None
        if self._classes and len(losses) > 1:
            accuracy = float(np.mean(_per_class(predictions[1]).argmax(axis=1) == self.parts[1][1]))
        self._log(epoch, losses[0], losses[1] if len(losses) > 1 else None, accuracy)

    def _loss(self, truth: NDArray[np.float64], made: NDArray[np.float64]) -> float:
        import numpy as np

        if not self._classes:
            return float(np.mean((made - truth) ** 2))
        of_the_true_class = _per_class(made)[np.arange(len(truth)), truth.astype(int)]
        return float(-np.mean(np.log(np.clip(of_the_true_class, SMALLEST_SHARE, 1))))


def _spread(rows: TrainingRows) -> TrainingRows:
    import numpy as np

    if len(rows.targets) <= MOST_ROWS:
        return rows
    return rows.some(np.linspace(0, len(rows.targets) - 1, MOST_ROWS).astype(int))


def _per_class(made: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return made if made.ndim == 2 else np.column_stack([1 - made, made])  # noqa: PLR2004  (rows and classes)
