"""What a training job learns from: raw inputs, and the target and the part of each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainer.errors import DataValidationError
from trainer.tables.row_subset import ChosenRows

if TYPE_CHECKING:
    import polars as pl

SplitPart = Literal["train", "validation", "test"]


@dataclass(frozen=True, eq=False)
class TrainingTable:
    """Raw inputs (n, columns), and the target (n,) and the part (n,) of each row."""

    inputs: pl.LazyFrame
    targets: pl.Series
    parts: pl.Series

    def rows(self, part: SplitPart) -> ChosenRows:
        """The inputs of a part."""
        return ChosenRows(self.inputs, self.parts == part)

    def targets_of(self, part: SplitPart) -> pl.Series:
        """The targets of a part."""
        return self.targets.filter(self.parts == part)


def targets_in(rows: pl.LazyFrame, name: str) -> pl.Series:
    """Return the targets (n,) in the column `name`. Raises DataValidationError if it is absent or misses values."""
    known = rows.collect_schema().names()
    if name not in known:
        raise DataValidationError(f"targets: no column {name!r}; columns: {', '.join(known)}")
    targets = rows.select(name).collect().to_series()
    if missing := targets.null_count():
        raise DataValidationError(f"target {name!r} is missing in {missing} of {len(targets)} rows")
    return targets
