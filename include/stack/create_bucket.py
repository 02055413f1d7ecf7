"""Create a bucket unless it exists: `python create_bucket.py NAME`; endpoint and keys are in the environment."""

from __future__ import annotations

import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main(bucket: str) -> int:
    """Create the bucket; returns the exit code, 1 with one line if the store refuses."""
    try:
        client = boto3.client("s3")
        if bucket not in {found["Name"] for found in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=bucket)
        client.head_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"bucket {bucket!r} could not be created: {' '.join(str(error).split())}\n")
        return 1
    sys.stdout.write(f"bucket {bucket!r} is there\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
