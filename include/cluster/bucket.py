"""The bucket of the trial: created where it is absent, and filled from `.data/`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from include.stack.docker import StackError

if TYPE_CHECKING:
    from pathlib import Path

BUCKET, PREFIX = "training", "data/"
REGION = "us-east-1"
TRIES = 3


def fill_bucket(endpoint: str, login: dict[str, str], folder: Path) -> int:
    """Create the bucket unless it is there, and load each file that it lacks; returns how many. Raises StackError."""
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=login["s3 key"], aws_secret_access_key=login["s3 secret"],
        region_name=REGION, config=Config(retries={"total_max_attempts": TRIES}),
    )  # fmt: skip
    try:
        if BUCKET not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        return _load(client, folder)
    except (Boto3Error, BotoCoreError, ClientError, OSError) as error:
        said = " ".join(str(error).split())
        more = "kubectl --namespace mlflow logs s3-0 shows its side"
        raise StackError(f"the S3 store refuses the bucket {BUCKET!r}: {said}; {more}") from None


def _load(client: Any, folder: Path) -> int:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX)
    there = {found["Key"]: found["Size"] for page in pages for found in page.get("Contents", [])}
    files = {PREFIX + file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    new = {key: file for key, file in files.items() if there.get(key) != file.stat().st_size}
    for key, file in sorted(new.items()):
        sys.stdout.write(f"Loading {key} …\n")
        client.upload_file(str(file), BUCKET, key)
    return len(new)
