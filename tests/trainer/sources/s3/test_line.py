"""Objects of S3 over a line that fails, and what else their store may do on the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_line import Line, line_to
from trainer.errors import ConfigurationError, TrainerError
from trainer.sources.s3 import objects
from trainer.sources.s3.objects import fetch_object, find_objects, s3_client

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
MEBIBYTE = 1 << 20
SIZE = 3 * MEBIBYTE + 17
CONTENT = (bytes(range(251)) * (SIZE // 251 + 1))[:SIZE]


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "RANGED_BYTES", 2 * MEBIBYTE)
    monkeypatch.setattr(objects, "RANGE_BYTES", MEBIBYTE)


@pytest.fixture
def line(s3_bucket: str, s3_endpoint: str) -> Iterator[Line]:
    """A line to a store that has an object of four ranges."""
    s3_client(None, None).put_object(Bucket=s3_bucket, Key="rows.csv", Body=CONTENT)
    with line_to(s3_endpoint) as line:
        yield line
    gc.collect()  # the sockets of broken answers, which s3transfer leaves to the garbage collector


def fetched(endpoint: str | None, bucket: str, folder: Path) -> bytes:
    client = s3_client(None, endpoint)
    (found,) = find_objects(client, f"s3://{bucket}/rows.csv", (".csv",))
    fetch_object(client, found, folder / "fetched")
    return (folder / "fetched").read_bytes()


def test_a_range_that_breaks_off_is_requested_again(line: Line, s3_bucket: str, tmp_path: Path) -> None:
    line.cut = 2
    assert fetched(line.address, s3_bucket, tmp_path) == CONTENT
    assert len(line.asked) == 6


def test_a_line_that_always_breaks_is_given_up(line: Line, s3_bucket: str, tmp_path: Path) -> None:
    line.cut = 1000
    with pytest.raises(
        TrainerError, match=r"rows.csv: the download broke off each time \(.*Error: .*fetched"
    ) as raised:
        fetched(line.address, s3_bucket, tmp_path)
    assert raised.value.retry_can_help
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("ranged_bytes", "found"),
    [pytest.param(1 << 40, "Expected checksum", id="checksum"), pytest.param(1, "found MD5", id="etag")],
)
def test_a_line_that_alters_what_it_carries(
    line: Line, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ranged_bytes: int, found: str
) -> None:
    monkeypatch.setattr(objects, "RANGED_BYTES", ranged_bytes)
    line.alter = lambda body: body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(TrainerError, match=f"received are not those that the store holds: {found}") as raised:
        fetched(line.address, s3_bucket, tmp_path)
    assert raised.value.retry_can_help


def test_an_object_that_changes_between_two_ranges(
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
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_none(s3_bucket: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the store's address \(`source.endpoint`, .* none such as https"):
        s3_client(None, "not an address")
