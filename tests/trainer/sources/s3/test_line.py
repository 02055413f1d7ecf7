"""Objects of S3 over a line that fails, and what else their store may do on the way."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bad_line import Line, line_to
from trainer.errors import ConfigurationError, TrainerError
from trainer.sources.s3 import objects
from trainer.sources.s3.objects import fetch_object, find_objects, s3_client

MEBIBYTE = 1 << 20
CONTENT = bytes(number % 251 for number in range(3 * MEBIBYTE + 17))


@pytest.fixture(autouse=True)
def _small_and_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PART_BYTES", MEBIBYTE)
    monkeypatch.setattr(objects, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def line(s3_bucket: str, s3_endpoint: str) -> Iterator[Line]:
    """A line to a store that has an object of four parts."""
    s3_client(None, None).put_object(Bucket=s3_bucket, Key="rows.csv", Body=CONTENT)
    with line_to(s3_endpoint) as line:
        yield line


def fetched(endpoint: str | None, bucket: str, folder: Path) -> bytes:
    client = s3_client(None, endpoint)
    (found,) = find_objects(client, f"s3://{bucket}/rows.csv", (".csv",))
    fetch_object(client, found, folder / "fetched")
    return (folder / "fetched").read_bytes()


def test_a_part_that_breaks_off_is_asked_for_again(line: Line, s3_bucket: str, tmp_path: Path) -> None:
    line.cut = 2
    assert fetched(line.address, s3_bucket, tmp_path) == CONTENT
    assert len(line.asked) == 6


def test_a_line_that_always_breaks_is_given_up(line: Line, s3_bucket: str, tmp_path: Path) -> None:
    line.cut = 1000
    with pytest.raises(TrainerError, match=r"of a part came \(.*Error\), 3 times; it is fetched anew") as raised:
        fetched(line.address, s3_bucket, tmp_path)
    assert raised.value.retry_can_help


def test_a_line_that_alters_what_it_carries(line: Line, s3_bucket: str, tmp_path: Path) -> None:
    line.alter = lambda body: body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(TrainerError, match="what came is not what the store holds: MD5 ") as raised:
        fetched(line.address, s3_bucket, tmp_path)
    assert raised.value.retry_can_help


def test_an_object_that_changes_between_two_parts(
    line: Line, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "AT_ONCE", 1)

    def change(number: int) -> None:
        if number == 3:
            s3_client(None, None).put_object(Bucket=s3_bucket, Key="rows.csv", Body=CONTENT[::-1])

    line.before = change
    with pytest.raises(TrainerError, match="the object changed while it was read") as raised:
        fetched(line.address, s3_bucket, tmp_path)
    assert raised.value.retry_can_help
    assert (tmp_path / "fetched").read_bytes()[: 2 * MEBIBYTE] == CONTENT[: 2 * MEBIBYTE]


@pytest.fixture
def unequal(s3_bucket: str) -> bytes:
    """An object that was uploaded in parts of 5, 6 and 1 MiB."""
    client: Any = s3_client(None, None)
    name = {"Bucket": s3_bucket, "Key": "rows.csv"}
    upload = client.create_multipart_upload(**name)["UploadId"]
    contents = [os.urandom(size * MEBIBYTE) for size in (5, 6, 1)]
    parts = [
        {"PartNumber": n, "ETag": client.upload_part(**name, UploadId=upload, PartNumber=n, Body=content)["ETag"]}
        for n, content in enumerate(contents, 1)
    ]
    client.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    return b"".join(contents)


def test_an_object_that_was_uploaded_in_unequal_parts(
    unequal: bytes, s3_bucket: str, s3_endpoint: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="trainer"):
        assert fetched(None, s3_bucket, tmp_path) == unequal
    assert "no checksum" not in caplog.text
    with line_to(s3_endpoint) as line:
        line.alter = lambda body: body[:-1] + bytes([body[-1] ^ 1])
        with pytest.raises(TrainerError, match="what came is not what the store holds: MD5 .*-3, and there .*-3"):
            fetched(line.address, s3_bucket, tmp_path)


def test_an_address_that_is_none(s3_bucket: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the store's address \(`source.endpoint`, .* none such as https"):
        s3_client(None, "not an address")
