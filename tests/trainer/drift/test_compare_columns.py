"""Columns compared two at a time, or one by one where rows are many."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from trainer.drift import compare
from trainer.errors import DataValidationError
from trainer.pipeline import Drift

RANDOM = np.random.default_rng(7)
NAMES = [f"c{at}" for at in range(7)]
REFERENCE, CURRENT = (pl.LazyFrame({name: RANDOM.normal(size=900) for name in NAMES}) for _ in range(2))


def test_how_many_are_compared_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    together = compare.compare_tables(REFERENCE, CURRENT, NAMES, Drift())
    monkeypatch.setattr(compare, "ROWS_OF_ONE_COLUMN", 899)
    monkeypatch.setattr(compare, "COLUMNS_AT_ONCE", 0)  # which would be refused if it were used
    assert compare.compare_tables(REFERENCE, CURRENT, NAMES, Drift()) == together
    assert [found.column for found in together] == NAMES


def test_of_several_faults_the_first_column_is_told() -> None:
    wrong = CURRENT.with_columns(pl.col("c2", "c5").cast(pl.String))
    with pytest.raises(DataValidationError, match="column 'c2' is Float64 in the reference and String in the current"):
        compare.compare_tables(REFERENCE, wrong, NAMES, Drift())
