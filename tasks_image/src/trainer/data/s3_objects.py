"""Objects of S3 on this machine: fetched in parts, of one version, and checked against what the store knows of them."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from trainer.data.s3_errors import explained
from trainer.data.source_files import is_hidden
from trainer.data.tables import file_digest
from trainer.errors import DataValidationError, TrainerError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from trainer.connections import Connection

logger = logging.getLogger(__name__)

PART_BYTES = 16 << 20
AT_ONCE = 4
WILDCARD = re.compile(r"[*?\[]")
MD5 = re.compile(r"^[0-9a-f]{32}$")
MD5_OF_PARTS = re.compile(r"^([0-9a-f]{32})-(\d+)$")


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
    """A client with a connection's credentials, else with those that the environment gives; `endpoint` goes first."""
    import boto3
    from botocore.config import Config

    options = connection.options if connection else {}
    session = boto3.session.Session(
        aws_access_key_id=(connection.user or options.get("aws_access_key_id")) if connection else None,
        aws_secret_access_key=(connection.password or options.get("aws_secret_access_key")) if connection else None,
        aws_session_token=options.get("aws_session_token"),
        region_name=options.get("region_name"),
    )
    config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard"})
    return session.client("s3", endpoint_url=endpoint or options.get("endpoint_url"), config=config)


def find_objects(client: Any, uri: str, endings: tuple[str, ...]) -> list[StoredObject]:
    """The objects that an address names: one, those right below a prefix that end so, or those that fit a glob.

    Sorted by name. Raises DataValidationError where there is none, ConfigurationError where the credentials or the
    region are wrong, TrainerError where the store does not answer.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with explained(uri):
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
    """Write an object to a file, a few parts at once, all of the state in which it was found.

    Raises TrainerError, for a retry can help, where it has changed since, or what came is not what the store holds.
    """
    with explained(found.uri), target.open("wb") as file:
        file.truncate(found.size)
        fetch = partial(_fetch_part, client, found, file.fileno())
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3-part") as pool:
            for _ in pool.map(fetch, range(0, found.size, PART_BYTES)):
                pass
    _check(client, found, target)


def _fetch_part(client: Any, found: StoredObject, descriptor: int, start: int) -> None:
    end = min(start + PART_BYTES, found.size)
    answer = client.get_object(
        Bucket=found.bucket, Key=found.key, Range=f"bytes={start}-{end - 1}", IfMatch=f'"{found.etag}"'
    )
    content = answer["Body"].read()
    if len(content) != end - start:
        raise TrainerError(f"{found.uri}: {len(content):,} of {end - start:,} bytes of a part came; it is fetched anew")
    os.pwrite(descriptor, content, start)


def _check(client: Any, found: StoredObject, file: Path) -> None:
    """Raise TrainerError where a file is not what the store says that it holds, as far as it says it."""
    if MD5.match(found.etag):
        came = file_digest(file, "md5")
    elif parts := MD5_OF_PARTS.match(found.etag):
        with explained(found.uri):
            first = client.head_object(Bucket=found.bucket, Key=found.key, PartNumber=1)
        came = _md5_of_parts(file, first["ContentLength"], int(parts[2]))
    else:
        logger.info("%s: its store tells no checksum that can be compared; its length is right", found.uri)
        return
    if came != found.etag:
        if _is_encrypted(client, found):
            logger.info("%s: encrypted, so that its ETag is no checksum; its length is right", found.uri)
            return
        raise TrainerError(
            f"{found.uri}: what came is not what the store holds: MD5 {came}, and there {found.etag}; it is fetched "
            "anew when the step is tried again"
        )


def _md5_of_parts(file: Path, part_bytes: int, parts: int) -> str:
    """The ETag of an object that was uploaded in parts: the MD5 of their MD5s, and their number."""
    digests = b""
    with file.open("rb") as handle:
        while part := handle.read(part_bytes):
            digests += hashlib.md5(part, usedforsecurity=False).digest()
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{parts}"


def _is_encrypted(client: Any, found: StoredObject) -> bool:
    """Whether it is encrypted with a key of AWS KMS or the customer: its ETag is no MD5 then."""
    with explained(found.uri):
        head = client.head_object(Bucket=found.bucket, Key=found.key)
    return str(head.get("ServerSideEncryption", "")).startswith("aws:kms") or "SSECustomerAlgorithm" in head


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
