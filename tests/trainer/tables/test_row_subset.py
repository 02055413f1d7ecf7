"""Chosen rows: in the table's order, a batch at a time, and no more of them in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trainer.tables import row_subset
from trainer.tables.row_subset import ChosenRows, all_of, open_table

COUNT = 1000
TABLE = pl.DataFrame({"n": range(COUNT), "text": [f"row {number}" for number in range(COUNT)]})
THIRD = pl.Series("third", [number % 3 == 0 for number in range(COUNT)])


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_subset, "BATCH_ROWS", 64)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.parquet"
    TABLE.write_parquet(path, row_group_size=100)
    return path


def test_the_batches_of_a_file_are_its_chosen_rows_in_order(file: Path) -> None:
    rows = ChosenRows(open_table(file), THIRD)
    batches = list(rows.batches())
    assert max(batch.height for batch in batches) == 22
    assert len(batches) == 16
    assert pl.concat(batches).equals(TABLE.filter(THIRD))
    assert rows.collect().equals(TABLE.filter(THIRD))
    assert rows.lazy().collect().equals(TABLE.filter(THIRD))
    assert rows.height == 334


def test_a_batch_without_a_chosen_row_is_left_out() -> None:
    last = pl.Series([number == COUNT - 1 for number in range(COUNT)])
    assert [batch["n"].to_list() for batch in ChosenRows(TABLE.lazy(), last).batches()] == [[COUNT - 1]]


def test_without_a_chosen_row_there_is_no_batch_and_an_empty_table() -> None:
    rows = ChosenRows(TABLE.lazy(), pl.repeat(value=False, n=COUNT, eager=True))
    assert list(rows.batches()) == []
    assert rows.collect().equals(TABLE.head(0))


def test_some_of_the_chosen_rows_stand_in_the_tables_order() -> None:
    some = ChosenRows(TABLE.lazy(), THIRD).among(np.array([5, 0, 333]))
    assert some.collect()["n"].to_list() == [0, 15, 999]
    assert some.among(np.array([1])).collect()["n"].to_list() == [15]


def test_all_rows_of_a_table() -> None:
    assert all_of(TABLE).collect().equals(TABLE)
    assert all_of(TABLE.head(0)).height == 0


@pytest.mark.parametrize(("batch", "is_read_again"), [(COUNT, False), (COUNT - 1, True)])
def test_a_small_file_is_read_once_and_a_large_one_when_it_is_asked(
    file: Path, batch: int, is_read_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_subset, "BATCH_ROWS", batch)
    table = open_table(file)
    file.unlink()
    if is_read_again:
        with pytest.raises(FileNotFoundError):
            table.collect()
    else:
        assert table.collect().equals(TABLE)
