"""Compare a downloaded object with the MD5 in its ETag."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from trainer.errors import TrainerError
from trainer.sources.s3.errors import s3_explained
from trainer.tables.parquet import file_digest

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.sources.s3.objects import StoredObject

logger = logging.getLogger(__name__)

MD5 = re.compile(r"^[0-9a-f]{32}$")


def check_etag(client: Any, found: StoredObject, file: Path) -> None:
    """Raise TrainerError if the ETag is an MD5 and the file has another one.

    boto3 checks only the checksums of newer uploads, and none of ranges; many stores give the ETag alone. The ETag of
    a multipart upload and of an object encrypted with a key is not an MD5 of its content, and is not compared.
    """
    if not MD5.match(found.etag):
        logger.info("%s: its ETag is not an MD5 of its content, and is not compared", found.uri)
        return
    digest = file_digest(file, "md5")
    if digest != found.etag and not _is_encrypted(client, found):
        raise TrainerError(
            f"{found.uri}: the bytes received are not those that the store holds: found MD5 {digest}, expected "
            f"{found.etag}; the object is fetched again when the step is retried"
        )


def _is_encrypted(client: Any, found: StoredObject) -> bool:
    with s3_explained(found.uri):
        head = client.head_object(Bucket=found.bucket, Key=found.key)
    return str(head.get("ServerSideEncryption", "")).startswith("aws:kms") or "SSECustomerAlgorithm" in head
