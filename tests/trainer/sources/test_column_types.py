"""Types: declared ones are kept, and a value that does not fit is said with its count and examples."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.sources.column_types import apply_types


def typed(frame: pl.DataFrame, types: Any) -> pl.DataFrame:
    return apply_types(frame.lazy(), types, "table").collect()


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("integer", ["1", None, "-20"], [1, None, -20]),
        ("integer", ["3.0", "4"], [3, 4]),
        ("integer", [3.0, None], [3, None]),
        ("integer", ["9007199254740993"], [9007199254740993]),
        ("float", ["1.5", None, "2"], [1.5, None, 2.0]),
        ("float", [1, 2], [1.0, 2.0]),
        ("string", [1, None], ["1", None]),
        ("boolean", ["Yes", "no", "TRUE", "0", None], [True, False, True, False, None]),
        ("boolean", [1, 0], [True, False]),
        ("boolean", [True, None], [True, None]),
        ("date", ["2026-01-31", None], [date(2026, 1, 31), None]),
        ("date", [datetime(2026, 1, 31, 5)], [date(2026, 1, 31)]),
        ("datetime", ["2026-01-31 05:06:07"], [datetime(2026, 1, 31, 5, 6, 7)]),
        ("datetime", [date(2026, 1, 31)], [datetime(2026, 1, 31)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_get_the_declared_type(kind: Any, values: list[Any], expected: list[Any]) -> None:
    frame = typed(pl.DataFrame({"x": values}), {"x": kind})
    assert frame["x"].to_list() == expected


@pytest.mark.parametrize(
    ("kind", "values", "lost", "example"),
    [
        ("integer", ["1", "two", "3.5"], 2, "'two', '3.5'"),
        ("integer", [1.0, 2.5], 1, "2.5"),
        ("integer", ["inf"], 1, "'inf'"),
        ("float", ["1", "1,5"], 1, "'1,5'"),
        ("boolean", ["yes", "perhaps"], 1, "'perhaps'"),
        ("date", ["2026-02-30"], 1, "'2026-02-30'"),
        ("datetime", ["soon"], 1, "'soon'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_that_do_not_fit_are_counted_and_shown(kind: Any, values: list[Any], lost: int, example: str) -> None:
    expected = rf"table: column 'x' is declared {kind}, and {lost} of {len(values)} values are not: {example}"
    with pytest.raises(DataValidationError, match=expected):
        typed(pl.DataFrame({"x": values}), {"x": kind})


def test_five_different_examples_are_shown_at_most() -> None:
    texts = [f"no{number}" for number in range(9) for _ in range(2)]
    with pytest.raises(DataValidationError, match=r"18 of 18 values are not: 'no0', 'no1', 'no2', 'no3', 'no4';"):
        typed(pl.DataFrame({"x": texts}), {"x": "float"})


def test_a_column_that_is_not_there_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(DataValidationError, match=r"table: the column 'tenur' is missing; did you mean 'tenure'\?"):
        typed(pl.DataFrame({"tenure": [1]}), {"tenur": "integer"})


def test_other_columns_stay_as_they_are() -> None:
    frame = pl.DataFrame({"a": ["1"], "b": ["2"]})
    found = typed(frame, {"a": "integer"})
    assert found.columns == ["a", "b"]
    assert found.schema["b"] == pl.String
