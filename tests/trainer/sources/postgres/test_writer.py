"""Rows in a real PostgreSQL: what is written is what a source reads, and a refusal says what to do."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.postgres import Warehouse
from trainer.errors import ConfigurationError
from trainer.pipeline import PostgresSource
from trainer.sources.postgres.writer import replace_table
from trainer.sources.readers import read_source

ROWS = pl.DataFrame({
    "id": ["a", "b", None],
    "count": [1, None, 3],
    "fee": [0.5, float("nan"), None],
    "is_new": [True, False, None],
    "seen": [date(2026, 1, 1), None, date(2026, 1, 3)],
    "at": [datetime(2026, 1, 1, 12, 30), None, datetime(2026, 1, 3)],
})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    ROWS.write_parquet(path)
    return path


def read() -> pl.DataFrame:
    return read_source(PostgresSource(connection="warehouse", table="customers"))[0]


def test_a_source_reads_what_was_written(warehouse: Warehouse, file: Path) -> None:
    assert replace_table("warehouse", "customers", file) == 3
    assert_frame_equal(read(), ROWS)


def test_a_table_is_replaced(warehouse: Warehouse, file: Path) -> None:
    warehouse.execute("CREATE TABLE customers (other int)")
    replace_table("warehouse", "public.customers", file)
    assert read().columns == ROWS.columns


def test_a_table_that_cannot_be_written_stays(warehouse: Warehouse, file: Path) -> None:
    warehouse.execute("CREATE TABLE customers AS SELECT 1 AS other")
    warehouse.execute("CREATE VIEW seen AS SELECT * FROM customers")  # a table with a view cannot be dropped
    with pytest.raises(ConfigurationError, match=r"/warehouse/customers: cannot drop table customers .*; name another"):
        replace_table("warehouse", "customers", file)
    assert read().to_dicts() == [{"other": 1}]


def test_a_schema_that_does_not_exist(warehouse: Warehouse, file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'/warehouse/sales\.customers: schema "sales" does not exist; name'):
        replace_table("warehouse", "sales.customers", file)
