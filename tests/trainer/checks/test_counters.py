"""Columns that only count rows, by their names and by their values."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trainer.checks.counters import has_counter_name, is_counter


@pytest.mark.parametrize(
    "name", ["Unnamed: 0", "Unnamed: 0.1", "", "index", "level_0", "__index_level_1__", "row_number", "Row"]
)
def test_names_of_counters(name: str) -> None:
    assert has_counter_name(name)


@pytest.mark.parametrize("name", ["price_index", "rowing", "Unnamed", "customer_id"])
def test_names_of_data(name: str) -> None:
    assert not has_counter_name(name)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 2, 3], True), ([3, 1, 0, 2], True), ([5, 9, 12, 40], True),
        ([0, 1, 1, 3], False), ([4, 1, 2, 8], False), ([0, 1, None, 2], False), ([0.0, 1.0, 2.0], False), ([7], False),
    ],
    ids=["running", "shuffled", "filtered", "repeated", "in no order", "missing", "floats", "one row"],
)  # fmt: skip
def test_values_of_counters(values: list[Any], expected: bool) -> None:
    assert is_counter(pl.Series(values)) is expected
