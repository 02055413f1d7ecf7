"""Files in the IDX format, in which MNIST is published: images of bytes, and their labels beside them."""

from __future__ import annotations

import contextlib
import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline.sources import endings_of
from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.files.source_files import find_files, local_files, not_found
from trainer.sources.reading import Lineage, Reading, Table, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import polars as pl

    from trainer.pipeline import IdxSource
    from trainer.sources.files.source_files import SourceFile

IMAGES, LABELS = "-images-idx3-ubyte", "-labels-idx1-ubyte"
"""What the names of files with images and with labels end with, before `.gz`."""
UNSIGNED_BYTE = 8
LARGEST = 1 << 32
"""Bytes that a file may hold once it is unpacked."""


@contextlib.contextmanager
def open_idx(source: IdxSource, reading: Reading) -> Iterator[Table]:
    """Yield `id`, `set` (what the files' names begin with), `image` (its pixels) and `label` of each image.

    Raises as `open_source` does.
    """
    found = find_files(source.uri, endings_of(source.KIND))
    if not found:
        raise not_found(source.uri)
    fetched = reading.scratch / "fetched"
    fetched.mkdir()
    lineage = Lineage(source.uri, source.KIND, max(stored.changed_at() for stored in found))
    with local_files(found, source.sha256, fetched) as files:
        rows = apply_names(_rows(files, source.uri), source.rename, source.uri)
        yield table_of(apply_types(rows, source.types, source.uri), lineage)


def _rows(files: list[SourceFile], uri: str) -> pl.LazyFrame:
    import polars as pl

    by_name = {_plain_name(file): file for file in files}
    sets = sorted(name.removesuffix(IMAGES) for name in by_name if name.endswith(IMAGES))
    if not sets:
        raise DataValidationError(f"{uri}: no file is called …{IMAGES} or …{IMAGES}.gz; found: {', '.join(by_name)}")
    return pl.concat(_set(by_name, name, uri) for name in sets).lazy()


def _plain_name(file: SourceFile) -> str:
    return file.name.rpartition("/")[2].removesuffix(".gz")


def _set(files: dict[str, SourceFile], name: str, uri: str) -> pl.DataFrame:
    import polars as pl

    if f"{name}{LABELS}" not in files:
        raise DataValidationError(f"{uri}: {name}{IMAGES} has no labels beside it: {name}{LABELS} is missing")
    images, labels = read_idx(files[f"{name}{IMAGES}"], 3), read_idx(files[f"{name}{LABELS}"], 1)
    if len(images) != len(labels):
        raise DataValidationError(
            f"{uri}: {name} has {len(images):,} images and {len(labels):,} labels; fetch both again"
        )
    return pl.DataFrame({
        "id": [f"{name}-{place:06d}" for place in range(len(images))],
        "set": pl.repeat(name, len(images), eager=True),
        "image": pl.Series([image.tobytes() for image in images], dtype=pl.Binary),
        "label": pl.Series(labels, dtype=pl.Int64),
    })


def read_idx(file: SourceFile, dimensions: int) -> np.ndarray:
    """The array of bytes in an IDX file, packed or not. Raises DataValidationError where it is no whole one."""
    import numpy as np

    content = _unpacked(file)
    header = 4 + 4 * dimensions
    if len(content) < header or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE or content[3] != dimensions:
        raise DataValidationError(
            f"{file.name}: this is no IDX file of bytes in {dimensions} dimension{'s' * (dimensions > 1)}: it begins "
            f"with {content[:4].hex(' ') or 'nothing'}, expected 00 00 08 {dimensions:02d}; fetch it again"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    needed = math.prod(shape)
    if len(content) - header != needed:
        raise DataValidationError(
            f"{file.name}: its header promises {' x '.join(map(str, shape))} = {needed:,} bytes, and "
            f"{len(content) - header:,} follow; it is cut off or damaged: fetch it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _unpacked(file: SourceFile) -> bytes:
    try:
        with gzip.open(file.path) if file.name.endswith(".gz") else file.path.open("rb") as stream:
            return stream.read(LARGEST)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataValidationError(f"{file.name}: it cannot be unpacked ({error}); fetch it again") from error
