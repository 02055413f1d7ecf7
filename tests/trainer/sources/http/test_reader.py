"""Rows from a web server, through to the snapshot of a run."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.trainer.ingesting import nothing_is_left, try_to_ingest
from tests.web_server import WebFile
from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.pipeline import HttpSource
from trainer.sources.http import download as http_download
from trainer.sources.readers import read_source, write_source

CSV = b"n,y\n1,no\n2,yes\n3,no\n"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_download, "PAUSE_SECONDS", 0.0)


def source(file: WebFile, content: bytes = CSV, **settings: Any) -> HttpSource:
    file.content = file.content or content
    return HttpSource(address=file.address, sha256=hashlib.sha256(content).hexdigest(), **settings)


def test_rows_and_where_they_came_from(web_file: WebFile) -> None:
    frame, lineage = read_source(source(web_file, where="n > 1"))
    assert frame.to_dict(as_series=False) == {"n": [2, 3], "y": ["yes", "no"]}
    assert (lineage.source, lineage.kind, lineage.changed_at.year) == (web_file.address, "http", 2026)


def test_what_the_address_does_not_tell_is_said(web_file: WebFile) -> None:
    rows = io.BytesIO()
    pl.DataFrame({"n": [1, 2], "m": [3, 4]}).write_parquet(rows)
    one = source(web_file, rows.getvalue(), format="parquet", columns=["m"])
    assert read_source(one)[0].to_dict(as_series=False) == {"m": [3, 4]}
    other = source(web_file, rows.getvalue())
    with pytest.raises(ConfigurationError, match=r"rows: no telling what it holds by its name; say `format: csv`"):
        read_source(other.model_copy(update={"address": web_file.address.removesuffix(".csv")}))


@pytest.mark.parametrize(
    ("content", "settings", "error", "message"),
    [
        (b"", {}, DataValidationError, r"the file is empty \(0 bytes\)"),
        (b"n,y\n", {}, DataValidationError, "a header and no rows"),
        (b"n,y\n1,no\n2\n", {}, DataValidationError, "the header has 2 fields, and 1 of 2 rows have not"),
        (CSV, {"types": {"n": "date"}}, DataValidationError, "'n' is declared date, and 3 of 3 values are not"),
        (CSV, {"types": {"m": "float"}}, DataValidationError, "the column 'm' is missing"),
        (CSV, {"where": "n > 9"}, DataValidationError, "0 of 3 rows fit source.where"),
    ],
    ids=["empty", "no-rows", "truncated-when-it-was-written", "type-drift", "column-drift", "none-fits"],
)
def test_what_cannot_be_used_leaves_nothing(
    web_file: WebFile, surroundings: Any, content: bytes, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        try_to_ingest(surroundings, source(web_file, content, **settings))
    nothing_is_left(surroundings)


def test_what_does_not_come_leaves_nothing(web_file: WebFile, surroundings: Any) -> None:
    web_file.statuses = [503] * 9
    with pytest.raises(TrainerError, match="the server answers 503") as raised:
        try_to_ingest(surroundings, source(web_file))
    assert raised.value.retry_can_help
    nothing_is_left(surroundings)
    web_file.statuses = []
    assert try_to_ingest(surroundings, source(web_file)).rows == 3


def test_a_file_that_is_not_there_leaves_nothing(web_file: WebFile, surroundings: Any) -> None:
    web_file.statuses = [404]
    with pytest.raises(DataValidationError, match="there is no such file"):
        try_to_ingest(surroundings, source(web_file))
    nothing_is_left(surroundings)


def test_another_file_leaves_nothing(web_file: WebFile, surroundings: Any) -> None:
    web_file.content = b"n,y\n1,no\n"
    with pytest.raises(
        DataValidationError, match=r"not the one that `source.sha256` names.*expected is [0-9a-f]{64}; bring"
    ):
        try_to_ingest(surroundings, source(web_file))
    nothing_is_left(surroundings)


def test_beside_the_rows_nothing_stays(web_file: WebFile, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_source(source(web_file), tmp_path / "out" / "rows.parquet")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["rows.parquet"]
