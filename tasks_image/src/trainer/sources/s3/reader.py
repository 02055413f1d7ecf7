"""Rows in objects of S3, or of another store that speaks its protocol."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from trainer.connections import read_connection
from trainer.errors import ConfigurationError
from trainer.pipeline.sources import FORMATS, endings_of
from trainer.sources.files.file_rows import file_attempts
from trainer.sources.files.partitions import with_partitions
from trainer.sources.files.source_files import SourceFile, refuse_another
from trainer.sources.reading import Lineage, Reading, Table
from trainer.sources.s3.objects import fetch_object, find_objects, s3_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import S3Source


def s3_location(source: S3Source) -> str:
    """Return the address."""
    return source.uri


@contextlib.contextmanager
def open_s3(source: S3Source, reading: Reading) -> Iterator[Table]:
    """Yield the rows of objects, each fetched whole and in one state; raises as `open_source` does."""
    client = s3_client(read_connection(source.connection) if source.connection else None, source.endpoint)
    found = find_objects(client, source.uri, endings_of(source.format) if source.format else tuple(FORMATS))
    if source.sha256 is not None and len(found) > 1:
        raise ConfigurationError(f"source.sha256 is of one object, and {source.uri} names {len(found)}; leave it out")
    fetched = reading.scratch / "fetched"
    fetched.mkdir()
    files = []
    for number, one in enumerate(found):
        files.append(SourceFile(one.uri, fetched / f"{number:05d}"))
        fetch_object(client, one, files[-1].path)
    if source.sha256 is not None:
        refuse_another(files[0], source.sha256)
    with file_attempts(with_partitions(files, source.uri), source, reading) as attempts:
        yield Table(Lineage(source.uri, source.KIND, max(one.changed_at for one in found)), attempts)
