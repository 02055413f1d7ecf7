"""Rows to learn from, as an estimator takes them: numbers in memory, or made of raw rows a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from trainer.inference.target_encoding import target_columns
from trainer.tables import row_subset
from trainer.training.cross_fitting import cross_fit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from trainer.inference.fitted import TabularPreparation
    from trainer.pipeline import AnyAlgorithm, Features, Preprocess
    from trainer.tables.row_subset import ChosenRows, Places
    from trainer.training.cross_fitting import CrossFit

    Matrix = npt.NDArray[np.float64]
    Targets = npt.NDArray[Any]
    """Class codes, or numbers."""


class TrainingRows(Protocol):
    """n rows of m numbers, and what is to be learned."""

    @property
    def targets(self) -> Targets:
        """Class codes or numbers (n,)."""

    @property
    def is_streamed(self) -> bool:
        """Whether the rows are more than should be held as numbers all at once."""

    @property
    def is_category(self) -> tuple[bool, ...]:
        """True for each of the m columns that the algorithm itself has to handle as categories; empty: for none."""

    @property
    def matrix(self) -> Matrix:
        """All rows (n, m), C-contiguous."""

    def batches(self) -> Iterator[tuple[Matrix, Targets]]:
        """The rows and their targets, some at a time."""

    def some(self, places: Places) -> TrainingRows:
        """The rows at some places (k,), counted from 0; their order is of no importance to what is learned."""


@dataclass(frozen=True, eq=False)
class HeldRows:
    """Rows whose numbers are in memory."""

    matrix: Matrix
    targets: Targets
    is_streamed: bool = False
    is_category: tuple[bool, ...] = ()

    def batches(self) -> Iterator[tuple[Matrix, Targets]]:
        yield self.matrix, self.targets

    def some(self, places: Places) -> HeldRows:
        return replace(self, matrix=self.matrix[places], targets=self.targets[places])


@dataclass(frozen=True, eq=False)
class StreamedRows:
    """Rows that become numbers whenever they are asked for, so that no more than a batch has to be held."""

    preparation: TabularPreparation
    rows: ChosenRows
    targets: Targets
    cross_fit: CrossFit | None = None
    is_streamed: bool = True

    @property
    def is_category(self) -> tuple[bool, ...]:
        return self.preparation.preprocessor.is_category

    @property
    def matrix(self) -> Matrix:
        return self._transform(self.rows.collect(), 0)

    def batches(self) -> Iterator[tuple[Matrix, Targets]]:
        end = 0
        for batch in self.rows.batches():
            begin, end = end, end + batch.height
            yield self._transform(batch, begin), self.targets[begin:end]

    def some(self, places: Places) -> TrainingRows:
        import numpy as np

        ordered = np.sort(places)
        cross_fit = self.cross_fit and self.cross_fit.some(ordered)
        return training_rows(self.preparation, self.rows.among(places), self.targets[ordered], cross_fit)

    def _transform(self, batch: pl.DataFrame, begin: int) -> Matrix:
        return self.cross_fit.transform(batch, begin) if self.cross_fit else self.preparation.transform(batch)


def training_rows(
    preparation: TabularPreparation, rows: ChosenRows, targets: Targets, cross_fit: CrossFit | None = None
) -> TrainingRows:
    """Raw rows (n) and their targets (n,), held as numbers where they are no more than a batch.

    `cross_fit` has the encodings of rows to learn from, where they are encoded by their targets.
    """
    streamed = StreamedRows(preparation, rows, targets, cross_fit)
    if rows.height > row_subset.BATCH_ROWS:
        return streamed
    return HeldRows(streamed.matrix, targets, is_category=streamed.is_category)


def fit_and_prepare(  # noqa: PLR0913, PLR0917
    algorithm: AnyAlgorithm,
    features: Features,
    preprocess: Preprocess,
    rows: ChosenRows,
    targets: Targets,
    classes: tuple[Any, ...],
    not_inputs: Collection[str],
    *,
    allow_empty: bool = False,
) -> tuple[TabularPreparation, TrainingRows]:
    """Fit a preparation on the rows, as the algorithm needs it, and return it with them as they are learned from.

    `targets` (n,) are class codes or numbers, `classes` the labels, none for numbers. With `allow_empty`, an input
    without a value in these rows is the same for every row.
    """
    from trainer.inference.fitted import fit_preparation

    spec = algorithm.preprocess_with(preprocess)
    if spec.categorical != "target":
        preparation = fit_preparation(features, spec, rows.lazy(), not_inputs, allow_empty=allow_empty)
        return preparation, training_rows(preparation, rows, targets)
    averaged = target_columns(targets, classes)
    preparation = fit_preparation(features, spec, rows.lazy(), not_inputs, averaged, allow_empty=allow_empty)
    return preparation, training_rows(preparation, rows, targets, cross_fit(preparation, rows, averaged))
