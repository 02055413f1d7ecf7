"""Rows in a file on a web server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from trainer.sources.files.file_rows import file_attempts
from trainer.sources.files.source_files import SourceFile
from trainer.sources.http.download import download
from trainer.sources.reading import Lineage, Reading, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import HttpSource


def http_location(source: HttpSource) -> str:
    """Return the address."""
    return source.address


@contextlib.contextmanager
def open_http(source: HttpSource, reading: Reading) -> Iterator[Table]:
    """Yield the rows of a file, fetched whole and only if its checksum fits; raises as `open_source` does."""
    fetched = reading.scratch / "fetched"
    changed_at = download(source.address, fetched, source.sha256)
    with file_attempts([SourceFile(source.address, fetched)], source, reading) as attempts:
        yield Table(Lineage(source.address, source.KIND, changed_at), attempts)
