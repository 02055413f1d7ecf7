"""Whether what came of an object is what its store holds, as far as the store says that."""

from __future__ import annotations

import hashlib
import logging
import re
from typing import IO, TYPE_CHECKING, Any

from trainer.errors import TrainerError
from trainer.sources.s3.errors import s3_explained
from trainer.tables.parquet import file_digest

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.sources.s3.objects import StoredObject

logger = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20
MD5 = re.compile(r"^[0-9a-f]{32}$")
MD5_OF_PARTS = re.compile(r"^([0-9a-f]{32})-(\d+)$")
KNOWS_NO_PARTS = {"400", "416", "501", "InvalidArgument", "InvalidPartNumber", "InvalidRequest", "NotImplemented"}


def check_object(client: Any, found: StoredObject, file: Path) -> None:
    """Raise TrainerError where a file is not what the store says that it holds, as far as it says it."""
    came = None
    if MD5.match(found.etag):
        came = file_digest(file, "md5")
    elif parts := MD5_OF_PARTS.match(found.etag):
        with s3_explained(found.uri):
            sizes = _sizes_of_parts(client, found, int(parts[2]))
        came = _md5_of_parts(file, sizes) if sizes else None
    if came is None:
        logger.info("%s: its store tells no checksum that can be compared; its length is right", found.uri)
    elif came != found.etag:
        _refuse(client, found, came)


def _refuse(client: Any, found: StoredObject, came: str) -> None:
    if _is_encrypted(client, found):
        logger.info("%s: encrypted, so that its ETag is no checksum; its length is right", found.uri)
        return
    raise TrainerError(
        f"{found.uri}: what came is not what the store holds: MD5 {came}, and there {found.etag}; it is fetched "
        "anew when the step is tried again"
    )


def _sizes_of_parts(client: Any, found: StoredObject, parts: int) -> list[int]:
    """How many bytes each part had when the object was uploaded, for they need not be equal; empty: nobody can say."""
    from botocore.exceptions import ClientError

    sizes: list[int] = []
    try:
        for number in range(1, parts + 1):
            head = client.head_object(Bucket=found.bucket, Key=found.key, PartNumber=number)
            sizes.append(head["ContentLength"])
            if sum(sizes) > found.size:  # it gives the whole object's for each
                return []
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in KNOWS_NO_PARTS:
            return []
        raise
    return sizes if sum(sizes) == found.size else []


def _md5_of_parts(file: Path, sizes: list[int]) -> str:
    """The ETag of an object that was uploaded in parts: the MD5 of their MD5s, and their number."""
    digests = b""
    with file.open("rb") as handle:
        for size in sizes:
            digests += _md5_of_next(handle, size)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(sizes)}"


def _md5_of_next(handle: IO[bytes], size: int) -> bytes:
    """The MD5 of the next bytes of a file; a part may have 5 GiB, so that they are read a piece at a time."""
    digest = hashlib.md5(usedforsecurity=False)
    while size and (piece := handle.read(min(size, PIECE_BYTES))):
        digest.update(piece)
        size -= len(piece)
    return digest.digest()


def _is_encrypted(client: Any, found: StoredObject) -> bool:
    """Whether it is encrypted with a key of AWS KMS or the customer: its ETag is no MD5 then."""
    with s3_explained(found.uri):
        head = client.head_object(Bucket=found.bucket, Key=found.key)
    return str(head.get("ServerSideEncryption", "")).startswith("aws:kms") or "SSECustomerAlgorithm" in head
