"""Objects of S3: found, fetched in parts, of one state and as they were stored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.server import free_port
from trainer.connections import Connection
from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.sources.s3 import objects
from trainer.sources.s3.objects import fetch_object, find_objects, s3_client

CSV = (".csv",)
MEBIBYTE = 1 << 20


@pytest.fixture
def client(s3_bucket: str) -> Any:
    assert s3_bucket
    return s3_client(None, None)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "RANGED_BYTES", 2 * MEBIBYTE)
    monkeypatch.setattr(objects, "RANGE_BYTES", MEBIBYTE)


def fetched(client: Any, uri: str, folder: Path) -> bytes:
    (found,) = find_objects(client, uri, CSV)
    fetch_object(client, found, folder / "fetched")
    return (folder / "fetched").read_bytes()


def keys(client: Any, uri: str) -> list[str]:
    return [found.key for found in find_objects(client, uri, CSV)]


def test_an_object_comes_in_ranges_as_it_was_stored(client: Any, s3_bucket: str, tmp_path: Path) -> None:
    content = os.urandom(3 * MEBIBYTE + 17)
    client.put_object(Bucket=s3_bucket, Key="rows.csv", Body=content)
    assert fetched(client, f"s3://{s3_bucket}/rows.csv", tmp_path) == content


def test_an_object_that_was_uploaded_in_parts(client: Any, s3_bucket: str, tmp_path: Path) -> None:
    content = os.urandom(12 * MEBIBYTE)
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=5 * MEBIBYTE, multipart_chunksize=5 * MEBIBYTE)
    (tmp_path / "rows.csv").write_bytes(content)
    client.upload_file(str(tmp_path / "rows.csv"), s3_bucket, "rows.csv", Config=config)
    (found,) = find_objects(client, f"s3://{s3_bucket}/rows.csv", CSV)
    assert found.etag.endswith("-3")
    assert fetched(client, found.uri, tmp_path) == content


def test_an_empty_object(client: Any, s3_bucket: str, tmp_path: Path) -> None:
    client.put_object(Bucket=s3_bucket, Key="rows.csv", Body=b"")
    assert fetched(client, f"s3://{s3_bucket}/rows.csv", tmp_path) == b""


def test_a_prefix_and_a_glob_name_several(client: Any, s3_bucket: str) -> None:
    for name in ("rows/b.csv", "rows/a.csv", "rows/_c.csv", "rows/notes.md", "rows/2025/d.csv", "rows/"):
        client.put_object(Bucket=s3_bucket, Key=name, Body=b"a\n1\n")
    assert keys(client, f"s3://{s3_bucket}/rows/") == ["rows/a.csv", "rows/b.csv"]
    assert keys(client, f"s3://{s3_bucket}/rows/[ab].csv") == ["rows/a.csv", "rows/b.csv"]
    assert keys(client, f"s3://{s3_bucket}/rows/**/*.csv") == ["rows/2025/d.csv", "rows/a.csv", "rows/b.csv"]
    with pytest.raises(DataValidationError, match="no object right below it ends with .parquet"):
        find_objects(client, f"s3://{s3_bucket}/rows/", (".parquet",))
    with pytest.raises(DataValidationError, match=r"x\*: there is no object that fits"):
        keys(client, f"s3://{s3_bucket}/rows/x*")


@pytest.mark.parametrize("size", [100, 3 * MEBIBYTE], ids=["whole", "ranges"])
def test_an_object_that_changes_while_it_is_fetched(client: Any, s3_bucket: str, tmp_path: Path, size: int) -> None:
    client.put_object(Bucket=s3_bucket, Key="rows.csv", Body=b"a" * size)
    (found,) = find_objects(client, f"s3://{s3_bucket}/rows.csv", CSV)
    client.put_object(Bucket=s3_bucket, Key="rows.csv", Body=b"b" * size)
    with pytest.raises(TrainerError, match="the object changed while it was read") as raised:
        fetch_object(client, found, tmp_path / "fetched")
    assert raised.value.retry_can_help


def test_what_is_not_there(client: Any, s3_bucket: str) -> None:
    with pytest.raises(
        DataValidationError, match=r"none.csv: there is no such object or bucket; is the address right\? \(404\)"
    ):
        keys(client, f"s3://{s3_bucket}/none.csv")
    with pytest.raises(DataValidationError, match="no-such-bucket/rows/: there is no such bucket"):
        keys(client, "s3://no-such-bucket/rows/")


def test_a_store_that_does_not_answer(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client = s3_client(None, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TrainerError, match="the store does not answer: EndpointConnectionError") as raised:
        keys(client, f"s3://{s3_bucket}/rows.csv")
    assert raised.value.retry_can_help


def test_no_credentials(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="there are no credentials for S3; name an Airflow connection"):
        keys(s3_client(None, s3_endpoint), "s3://bucket/rows.csv")


def test_a_connection_says_who_asks_and_where(
    s3_bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert s3_bucket
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    options = {"region_name": "eu-west-1", "endpoint_url": s3_endpoint, "aws_session_token": "session"}
    connection = Connection("lake", "", None, "", "key", "secret", options)
    client = s3_client(connection, None)
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("key", "secret", "session")
    assert (client.meta.endpoint_url, client.meta.region_name) == (s3_endpoint, "eu-west-1")
    assert s3_client(connection, "http://127.0.0.1:1").meta.endpoint_url == "http://127.0.0.1:1"
    assert "secret" not in repr(connection)
    assert "session" not in repr(connection)
