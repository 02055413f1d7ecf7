"""Rows of pandas reach the model as those of Polars do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from trainer.inference.pyfunc import _frame

COLUMNS: dict[str, pd.Series] = {
    "texts": pd.Series(["a", None, "b"], dtype=object),
    "texts with NaN": pd.Series(["a", np.nan, "b"], dtype=object),
    "texts with NA": pd.Series(["a", pd.NA, "b"], dtype=object),
    "no texts": pd.Series([None, None, None], dtype=object),
    "flags with gaps": pd.Series([True, None, False], dtype=object),
    "whole numbers as objects": pd.Series([1, 2, 3], dtype=object),
    "whole": pd.Series([1, 2, 3]),
    "small": pd.Series([1, 2, 3], dtype="uint8"),
    "real": pd.Series([1.5, np.nan, np.inf]),
    "flags": pd.Series([True, False, True]),
    "nullable": pd.Series([1, None, 3], dtype="Int64"),
    "strings": pd.Series(["a", None, "b"], dtype="string"),
    "categories": pd.Series(["a", None, "b"], dtype="category"),
    "days": pd.Series(["2026-01-01", None, "2026-01-03"], dtype="datetime64[us]"),
}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
def test_a_column_is_what_polars_makes_of_it(values: pd.Series) -> None:
    made = _frame(pd.DataFrame({"x": values}))["x"]
    expected = pl.from_pandas(values)
    assert made.dtype == expected.dtype
    assert made.to_list() == expected.to_list()


@pytest.mark.parametrize("part", [slice(None, None, 2), slice(None, None, -1), slice(0, 0)])
def test_a_part_of_a_frame_with_columns_of_all_kinds(part: Any) -> None:
    frame = pd.DataFrame(COLUMNS)[part]
    assert _frame(frame).to_dict(as_series=False) == pl.from_pandas(frame).to_dict(as_series=False)
