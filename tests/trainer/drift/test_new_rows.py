"""Which rows of a snapshot are new to production."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from trainer.drift.new_rows import new_rows

BEFORE = pl.LazyFrame({"id": [1, 2], "day": [date(2026, 1, 1), date(2026, 1, 3)], "n": [1.0, None]})
NOW = pl.LazyFrame({
    "id": [1, 2, 3, 4],
    "day": [date(2026, 1, 1), date(2026, 1, 3), date(2026, 1, 2), date(2026, 1, 4)],
    "n": [1.0, None, 5.0, 6.0],
})


@pytest.mark.parametrize(
    ("time", "row_id", "kind", "ids"),
    [
        ("day", "id", "newer", [4]),
        (None, "id", "unknown", [3, 4]),
        (None, None, "unknown", [3, 4]),
    ],
    ids=["time", "id", "content"],
)
def test_rows_are_new_by_time_else_by_id_else_by_content(
    time: str | None, row_id: str | None, kind: str, ids: list[int]
) -> None:
    found = new_rows(BEFORE, NOW, time, row_id)
    assert found.kind == kind
    assert found.rows.collect()["id"].to_list() == ids
    assert found.rows.collect_schema() == NOW.collect_schema()


@pytest.mark.parametrize("time", ["day", None])
@pytest.mark.parametrize("row_id", ["id", None])
def test_if_no_row_is_new_all_are_compared(time: str | None, row_id: str | None) -> None:
    found = new_rows(NOW, NOW, time, row_id)
    assert (found.kind, found.rows.collect().height) == ("all", 4)


def test_a_column_of_another_type_makes_each_row_new() -> None:
    texts = NOW.with_columns(pl.col("n").cast(pl.String))
    assert new_rows(BEFORE, texts, None, None).rows.collect().height == 4
    assert new_rows(BEFORE, NOW.with_columns(pl.col("id").cast(pl.String)), None, "id").rows.collect().height == 2


def test_a_time_that_is_missing_is_not_newer() -> None:
    untimed = NOW.with_columns(day=pl.when(pl.col("id") == 4).then(None).otherwise(pl.col("day")))
    assert new_rows(BEFORE, untimed, "day", "id").kind == "all"
