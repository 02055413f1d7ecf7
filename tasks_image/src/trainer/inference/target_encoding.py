"""Target encoding: a category is replaced by the mean target of its training rows, shrunk to the mean of all.

Micci-Barreca (2001), with the empirical Bayes estimate of scikit-learn's TargetEncoder (`smooth="auto"`): the weight of
a category's own mean is n s / (n s + w), where n are its rows, w is the variance of its targets, and s that of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]

TWO = 2


def target_columns(targets: npt.NDArray[Any], classes: tuple[Any, ...]) -> Matrix:
    """Return numbers or the codes of two classes as (n, 1), those of k > 2 classes as (n, k) indicators."""
    import numpy as np

    if len(classes) > TWO:
        return np.asarray(np.eye(len(classes))[targets])
    return np.asarray(targets, dtype=float).reshape(-1, 1)


def shift_of(targets: Matrix) -> Matrix:
    """Return what to subtract from targets (n, k) before they are summed, so that squares of large ones keep digits.

    It is whole: sums of classes' codes stay exact, and equal categories get equal numbers.
    """
    import numpy as np

    return np.asarray(np.rint(targets.mean(axis=0)))


def target_sums(codes: Codes, targets: Matrix, size: int) -> Matrix:
    """Return, by code below `size`, the count, sums and sums of squares of targets (n, k): (size, 1 + 2 k).

    The sums of several batches of rows may be added.
    """
    import numpy as np

    summed = [None, *targets.T, *(targets**2).T]
    return np.column_stack([np.bincount(codes, weights=column, minlength=size) for column in summed])


def encodings(sums: Matrix, shift: Matrix) -> Matrix:
    """Return the number of each category from `target_sums`, and last that of an unseen one: (size + 1, k).

    `shift` (k,) is what was subtracted from the targets.
    """
    import numpy as np

    width = (sums.shape[1] - 1) // 2
    count, total, squares = sums[:, :1], sums[:, 1 : 1 + width], sums[:, 1 + width :]
    rows = count.sum()
    mean = total.sum(axis=0) / rows
    variance = squares.sum(axis=0) / rows - mean**2
    own = total / np.maximum(count, 1)
    within = np.maximum(squares / np.maximum(count, 1) - own**2, 0.0)
    trust = variance * count
    weight = np.divide(trust, trust + within, out=np.zeros_like(trust), where=trust > 0)
    return np.vstack([weight * own + (1 - weight) * mean, mean]) + shift
