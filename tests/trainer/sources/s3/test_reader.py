"""Rows in objects of S3, through to the snapshot of a run."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import boto3
import polars as pl
import pytest
import requests

from tests.server import free_port
from tests.trainer.ingesting import nothing_is_left, try_to_ingest
from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.pipeline import S3Source
from trainer.sources.readers import read_source
from trainer.sources.s3 import reader
from trainer.sources.s3.objects import fetch_object

CSV = b"n,y\n1,no\n2,yes\n3,no\n"


@pytest.fixture
def bucket(s3_bucket: str) -> str:
    """A bucket with one object of each format, and a folder with two."""
    rows = io.BytesIO()
    pl.DataFrame({"n": [1, 2], "m": [3, 4]}).write_parquet(rows)
    objects = {"rows.csv": CSV, "rows.parquet": rows.getvalue(), "folder/a.csv": CSV, "folder/b.csv": CSV}
    for key, content in objects.items():
        put(s3_bucket, key, content)
    return s3_bucket


def put(bucket: str, key: str, content: bytes) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=content)


def read(bucket: str, key: str, **settings: Any) -> pl.DataFrame:
    return read_source(S3Source(uri=f"s3://{bucket}/{key}", **settings))[0]


def test_objects_by_name_prefix_and_glob(bucket: str) -> None:
    assert read(bucket, "rows.csv")["n"].to_list() == [1, 2, 3]
    assert read(bucket, "rows.parquet", columns=["m"]).to_dict(as_series=False) == {"m": [3, 4]}
    assert read(bucket, "folder/")["n"].to_list() == [1, 2, 3, 1, 2, 3]
    assert read(bucket, "folder/[b-z].csv", where="n = 2")["y"].to_list() == ["yes"]


def test_where_rows_came_from(bucket: str) -> None:
    _, lineage = read_source(S3Source(uri=f"s3://{bucket}/folder/"))
    assert (lineage.source, lineage.kind) == (f"s3://{bucket}/folder/", "s3")
    assert lineage.changed_at.tzinfo is not None


def test_a_checksum_is_of_one_object(bucket: str) -> None:
    digest = hashlib.sha256(CSV).hexdigest()
    assert read(bucket, "rows.csv", sha256=digest).height == 3
    with pytest.raises(DataValidationError, match=rf"its SHA-256 is {digest} .*, expected is {'0' * 64}"):
        read(bucket, "rows.csv", sha256="0" * 64)
    with pytest.raises(ConfigurationError, match=r"source.sha256 is of one object, and .* names 2"):
        read(bucket, "folder/", sha256=digest)


def test_an_airflow_connection_gives_the_login(
    bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, surroundings: Any
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    address = f"aws://key:s3cret%2Fword@/?region_name=us-east-1&endpoint_url={quote(s3_endpoint, safe='')}"
    monkeypatch.setenv("TRAINER_CONNECTION_LAKE", address)
    source = S3Source(uri=f"s3://{bucket}/rows.csv", connection="lake")
    assert try_to_ingest(surroundings, source).source == source.uri
    written = [file.read_bytes() for file in surroundings.runs.rglob("*") if file.is_file()]
    assert not any(secret in content for content in written for secret in (b"s3cret", b"%2Fword"))


def test_an_absent_connection_says_where_it_is_looked_for(bucket: str) -> None:
    with pytest.raises(ConfigurationError, match="'lake': the variable TRAINER_CONNECTION_LAKE is not set"):
        read(bucket, "rows.csv", connection="lake")


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (b"", {}, r"the file is empty \(0 bytes\)"),
        (b"n,y\n", {}, "a header and no rows"),
        (CSV[:-3], {}, None),
        (b"n,y\n1,no\n2\n", {}, "the header has 2 fields, and 1 of 2 rows have not"),
        (CSV, {"types": {"n": "date"}}, "'n' is declared date, and 3 of 3 values are not"),
        (CSV, {"where": "n > 9"}, "0 of 3 rows fit source.where"),
    ],
    ids=["empty", "no-rows", "cut-in-a-field", "cut-in-a-row", "type-drift", "none-fits"],
)
def test_what_cannot_be_used_leaves_nothing(
    bucket: str, surroundings: Any, content: bytes, settings: dict[str, Any], message: str | None
) -> None:
    put(bucket, "other.csv", content)
    source = S3Source(
        uri=f"s3://{bucket}/other.csv", sha256=hashlib.sha256(CSV).hexdigest() if not message else None, **settings
    )
    with pytest.raises(DataValidationError, match=message or "not the one that `source.sha256` names"):
        try_to_ingest(surroundings, source)
    nothing_is_left(surroundings)


@pytest.mark.parametrize("key", ["none.csv", "none/", "none*.csv"], ids=["object", "prefix", "glob"])
def test_objects_that_are_not_there_leave_nothing(bucket: str, surroundings: Any, key: str) -> None:
    with pytest.raises(DataValidationError, match="is the address right"):
        try_to_ingest(surroundings, S3Source(uri=f"s3://{bucket}/{key}"))
    nothing_is_left(surroundings)


def test_objects_of_other_columns_are_named(bucket: str, surroundings: Any) -> None:
    put(bucket, "folder/b.csv", b"n\n1\n")
    with pytest.raises(DataValidationError, match=r"1 of 2 files .*folder/a.csv: s3://.*/folder/b.csv lacks 'y'"):
        try_to_ingest(surroundings, S3Source(uri=f"s3://{bucket}/folder/"))
    nothing_is_left(surroundings)


def test_an_object_that_changes_while_it_is_read_leaves_nothing(
    bucket: str, surroundings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_first(*arguments: Any) -> None:
        put(bucket, "rows.csv", CSV * 2)
        fetch_object(*arguments)

    monkeypatch.setattr(reader, "fetch_object", change_first)
    with pytest.raises(TrainerError, match="the object changed while it was read") as raised:
        try_to_ingest(surroundings, S3Source(uri=f"s3://{bucket}/rows.csv"))
    assert raised.value.retry_can_help
    nothing_is_left(surroundings)


def test_a_store_that_does_not_answer_leaves_nothing(
    bucket: str, surroundings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    source = S3Source(uri=f"s3://{bucket}/rows.csv", endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TrainerError, match="the store does not answer") as raised:
        try_to_ingest(surroundings, source)
    assert raised.value.retry_can_help
    nothing_is_left(surroundings)


@pytest.fixture
def strict_bucket(bucket: str, s3_endpoint: str) -> Iterator[str]:
    """The bucket of a store that looks at who asks."""
    requests.post(f"{s3_endpoint}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    yield bucket
    requests.post(f"{s3_endpoint}/moto-api/reset-auth", data="inf", timeout=10).raise_for_status()


def test_a_login_that_the_store_does_not_know_leaves_nothing(strict_bucket: str, surroundings: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"rows.csv: the.* credentials") as raised:
        try_to_ingest(surroundings, S3Source(uri=f"s3://{strict_bucket}/rows.csv"))
    assert "test-secret" not in str(raised.value)
    nothing_is_left(surroundings)
