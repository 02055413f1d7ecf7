"""Tables in a run folder: equal rows are equal bytes, wherever the folder lies."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest

from trainer.run import RunFolder
from trainer.tables.parquet import file_digest, read_table, write_table

FRAME = pl.DataFrame({"key": ["a", "b", None], "value": [1.5, None, 3.0], "whole": [1, 2, 3]})


@pytest.fixture(params=["local", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    store = tmp_path.as_uri() if request.param == "local" else f"s3://{request.getfixturevalue('s3_bucket')}"
    return RunFolder.open(f"{store}/runs/churn/run1").at("ingest")


def test_a_table_comes_back_whole_or_by_columns(folder: RunFolder) -> None:
    write_table(folder, "rows.parquet", FRAME)
    assert read_table(folder, "rows.parquet").equals(FRAME)
    assert read_table(folder, "rows.parquet", ["whole", "key"]).columns == ["whole", "key"]


def test_equal_rows_give_equal_digests(folder: RunFolder) -> None:
    first = write_table(folder, "one.parquet", FRAME)
    assert write_table(folder, "two.parquet", FRAME.clone()) == first
    assert write_table(folder, "three.parquet", FRAME.reverse()) != first
    with folder.local("one.parquet") as file:
        assert file_digest(file) == hashlib.sha256(file.read_bytes()).hexdigest() == first


def test_a_table_that_is_not_there(folder: RunFolder) -> None:
    with pytest.raises(FileNotFoundError):
        read_table(folder, "rows.parquet")


def test_a_file_of_several_chunks_has_the_digest_of_all_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"0123456789" * 300_000)
    assert file_digest(file) == hashlib.sha256(file.read_bytes()).hexdigest()
