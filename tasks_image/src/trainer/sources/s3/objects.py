"""Find objects of S3 and download them in the state in which they were found."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, DataValidationError
from trainer.sources.files.source_files import is_hidden
from trainer.sources.s3.checks import check_etag
from trainer.sources.s3.errors import s3_explained
from trainer.sources.s3.login import login_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from trainer.connections import Connection

RANGED_BYTES = 64 << 20
"""From this size on an object is fetched in ranges, for which a store sends no checksum."""
RANGE_BYTES = 16 << 20
AT_ONCE = 4
WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class StoredObject:
    """An object, in the state in which it was found."""

    bucket: str
    key: str
    size: int
    """In bytes."""
    etag: str
    """What changes when the object does, without quotes."""
    changed_at: datetime

    @property
    def uri(self) -> str:
        """Its address."""
        return f"s3://{self.bucket}/{self.key}"


def s3_client(connection: Connection | None, endpoint: str | None) -> Any:
    """A client with a connection's credentials, else with those that the environment gives; `endpoint` goes first.

    Raises ConfigurationError where the connection says more than a step takes of it, or the store's address is none.
    """
    import boto3
    from botocore.config import Config

    login = login_of(connection)
    session = boto3.session.Session(
        aws_access_key_id=login.access_key_id,
        aws_secret_access_key=login.secret_access_key,
        aws_session_token=login.session_token,
        region_name=login.region,
    )
    config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard"})
    try:
        return session.client("s3", endpoint_url=endpoint or login.endpoint, config=config)
    except ValueError:  # its text holds the address, and a connection's may hold a login
        raise ConfigurationError(
            "the store's address (`source.endpoint`, else the connection's endpoint_url, else AWS_ENDPOINT_URL) is "
            "none such as https://host:9000"
        ) from None


def find_objects(client: Any, uri: str, endings: tuple[str, ...]) -> list[StoredObject]:
    """The objects that an address names: one, those right below a prefix that end so, or those that fit a glob.

    Sorted by name. Raises DataValidationError where there is none, ConfigurationError where the credentials or the
    region are wrong, TrainerError where the store does not answer.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with s3_explained(uri):
        if key.endswith("/"):
            found = [one for one in _listed(client, bucket, key, "/") if one.key.lower().endswith(endings)]
            what = f"no object right below it ends with {' or '.join(endings)}"
        elif WILDCARD.search(key):
            fits = _glob(key)
            begins = WILDCARD.split(key, maxsplit=1)[0]
            found = [one for one in _listed(client, bucket, begins) if fits.fullmatch(one.key)]
            what = "there is no object that fits"
        else:
            return [_head(client, bucket, key)]
    found = sorted((one for one in found if not is_hidden(one.key)), key=lambda one: one.key)
    if not found:
        raise DataValidationError(f"{uri}: {what}; is the address right?")
    return found


def fetch_object(client: Any, found: StoredObject, target: Path) -> None:
    """Write an object to a file, in the state in which it was found; large ones in ranges, a few at once.

    Raises TrainerError, because a retry can help, if it has changed since, or its bytes do not match the store's
    checksum.
    """
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(multipart_threshold=RANGED_BYTES, multipart_chunksize=RANGE_BYTES, max_concurrency=AT_ONCE)
    with s3_explained(found.uri), _pinned(client, found):
        client.download_file(found.bucket, found.key, str(target), {"ChecksumMode": "ENABLED"}, Config=config)
    check_etag(client, found, target)


@contextlib.contextmanager
def _pinned(client: Any, found: StoredObject) -> Iterator[None]:
    """Request the found state only: `download_file` takes no IfMatch, and pins ranges to the state it finds itself."""
    events, name = client.meta.events, "provide-client-params.s3.GetObject"

    def pin(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        is_found = (params["Bucket"], params["Key"]) == (found.bucket, found.key)
        return {**params, "IfMatch": f'"{found.etag}"'} if is_found else params

    events.register(name, pin)
    try:
        yield
    finally:
        events.unregister(name, pin)


def _head(client: Any, bucket: str, key: str) -> StoredObject:
    head = client.head_object(Bucket=bucket, Key=key)
    return StoredObject(bucket, key, head["ContentLength"], head["ETag"].strip('"'), head["LastModified"])


def _listed(client: Any, bucket: str, prefix: str, delimiter: str = "") -> list[StoredObject]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter=delimiter)
    return [
        StoredObject(bucket, one["Key"], one["Size"], one["ETag"].strip('"'), one["LastModified"])
        for page in pages
        for one in page.get("Contents", [])
        if not one["Key"].endswith("/")
    ]


def _glob(key: str) -> re.Pattern[str]:
    """A pattern for keys: `*` stays within a folder, `**` does not."""
    from fsspec.utils import glob_translate

    return re.compile(glob_translate(key))
