"""Rows to learn from, as an estimator takes them: numbers in memory, or made of raw rows a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trainer.tables import row_subset

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

    from trainer.inference.fitted import Preparation
    from trainer.tables.row_subset import ChosenRows, Places

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

    def batches(self) -> Iterator[tuple[Matrix, Targets]]:
        yield self.matrix, self.targets

    def some(self, places: Places) -> HeldRows:
        return HeldRows(self.matrix[places], self.targets[places])


@dataclass(frozen=True, eq=False)
class StreamedRows:
    """Rows that become numbers whenever they are asked for, so that no more than a batch has to be held."""

    preparation: Preparation
    rows: ChosenRows
    targets: Targets
    is_streamed: bool = True

    @property
    def matrix(self) -> Matrix:
        matrix: Matrix = self.preparation.transform(self.rows.collect())
        return matrix

    def batches(self) -> Iterator[tuple[Matrix, Targets]]:
        end = 0
        for batch in self.rows.batches():
            begin, end = end, end + batch.height
            yield self.preparation.transform(batch), self.targets[begin:end]

    def some(self, places: Places) -> TrainingRows:
        import numpy as np

        return training_rows(self.preparation, self.rows.among(places), self.targets[np.sort(places)])


def training_rows(preparation: Preparation, rows: ChosenRows, targets: Targets) -> TrainingRows:
    """Raw rows (n) and their targets (n,), held as numbers where they are no more than a batch."""
    streamed = StreamedRows(preparation, rows, targets)
    return streamed if rows.height > row_subset.BATCH_ROWS else HeldRows(streamed.matrix, targets)
