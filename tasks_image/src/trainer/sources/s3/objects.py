"""Objects of S3 on this machine: fetched in parts, of one version, and checked against what the store knows of them."""

from __future__ import annotations

import logging
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.sources.files.source_files import is_hidden
from trainer.sources.s3.checks import check_object
from trainer.sources.s3.errors import s3_explained
from trainer.sources.s3.login import login_of

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from trainer.connections import Connection

logger = logging.getLogger(__name__)

PART_BYTES = 16 << 20
AT_ONCE = 4
TRIES = 3
"""For each part whose answer breaks off; until an answer begins the client tries again by itself."""
PAUSE_SECONDS = 1.0
"""After the first failure; twice as long after each further one."""
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
    """Write an object to a file, a few parts at once, all of the state in which it was found.

    Raises TrainerError, for a retry can help, where it has changed since, or what came is not what the store holds.
    """
    with s3_explained(found.uri), target.open("wb") as file:
        file.truncate(found.size)
        fetch = partial(_fetch_part, client, found, file.fileno())
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3-part") as pool:
            for _ in pool.map(fetch, range(0, found.size, PART_BYTES)):
                pass
    check_object(client, found, target)


def _fetch_part(client: Any, found: StoredObject, descriptor: int, start: int) -> None:
    end = min(start + PART_BYTES, found.size)
    for tries in range(1, TRIES + 1):
        content, broken = _ask_for(client, found, start, end)
        if len(content) == end - start:
            os.pwrite(descriptor, content, start)
            return
        what = f"{found.uri}: {len(content):,} of {end - start:,} bytes of a part came ({broken})"
        if tries < TRIES:
            logger.warning("%s; asking for it again", what)
            time.sleep(PAUSE_SECONDS * 2 ** (tries - 1))
    raise TrainerError(f"{what}, {TRIES} times; it is fetched anew when the step is tried again")


def _ask_for(client: Any, found: StoredObject, start: int, end: int) -> tuple[bytes, str]:
    """The bytes of a part, or none and what broke off the answer: its client tries again only until one begins."""
    from botocore.exceptions import HTTPClientError, IncompleteReadError
    from urllib3.exceptions import HTTPError

    answer = client.get_object(
        Bucket=found.bucket, Key=found.key, Range=f"bytes={start}-{end - 1}", IfMatch=f'"{found.etag}"'
    )
    try:
        return answer["Body"].read(), "no error"
    except (HTTPClientError, IncompleteReadError, HTTPError) as error:
        return b"", type(error).__name__


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
