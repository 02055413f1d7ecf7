"""Cross-fitted target encodings: a training row gets those of the other folds, never one that knows its own target.

With its own target in its encoding, a category with few rows would tell the estimator what to answer. Rows that the
estimator does not learn from get the encodings of all training rows. So does scikit-learn's TargetEncoder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trainer.inference.target_encoding import encodings, shift_of, target_sums

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from trainer.inference.fitted import TabularPreparation
    from trainer.tables.row_subset import ChosenRows, Places

    Matrix = npt.NDArray[np.float64]

FOLDS = 5
SEED = 42


@dataclass(frozen=True, eq=False)
class CrossFit:
    """The fold of each training row, and by fold a preparation whose encodings come from the other folds."""

    preparations: tuple[TabularPreparation, ...]
    fold: npt.NDArray[np.uint8]
    """(n,), from 0."""

    def transform(self, frame: pl.DataFrame, begin: int = 0) -> Matrix:
        """Return the training rows (n) from the row `begin` on, in their order, as numbers (n, m)."""
        import numpy as np

        fold = self.fold[begin : begin + frame.height]
        matrix = np.empty((frame.height, len(self.preparations[0].preprocessor.names)))
        for number, preparation in enumerate(self.preparations):
            matrix[fold == number] = preparation.transform(frame.filter(fold == number))
        return matrix

    def some(self, places: Places) -> CrossFit:
        """Return the same for the training rows at some places (k,)."""
        return replace(self, fold=self.fold[places])


def cross_fit(preparation: TabularPreparation, rows: ChosenRows, targets: Matrix) -> CrossFit:
    """Return encodings by fold for training rows (n) and their targets (n, k), see `target_columns`.

    The rows are shuffled into folds. Of rows that are more than a batch, one batch is held in memory.
    """
    import numpy as np

    fold = (np.random.default_rng(SEED).permutation(rows.height) % FOLDS).astype(np.uint8)
    shift, end = shift_of(targets), 0
    sums = {name: np.zeros((FOLDS, size, 1 + 2 * shift.size)) for name, size in _sizes(preparation).items()}
    for batch in rows.batches():
        begin, end = end, end + batch.height
        for name, codes in preparation.preprocessor.codes(preparation.inputs_of(batch)).items():
            _, size, _ = sums[name].shape
            placed = fold[begin:end].astype(np.int64) * size + codes
            sums[name] += target_sums(placed, targets[begin:end] - shift, FOLDS * size).reshape(sums[name].shape)
    return CrossFit(tuple(_without(preparation, sums, number, shift) for number in range(FOLDS)), fold)


def _sizes(preparation: TabularPreparation) -> dict[str, int]:
    return {name: len(kind.categories) for name, kind in preparation.preprocessor.categorical.items()}


def _without(preparation: TabularPreparation, sums: dict[str, Matrix], fold: int, shift: Matrix) -> TabularPreparation:
    """The preparation with the encodings of all folds but one."""
    others = {name: encodings(by_fold.sum(axis=0) - by_fold[fold], shift) for name, by_fold in sums.items()}
    return replace(preparation, preprocessor=replace(preparation.preprocessor, encodings=others))
