"""PNG and JPEG files in one folder for each class."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline.sources import endings_of
from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.files.source_files import find_files, local_files, not_found
from trainer.sources.notes import note
from trainer.sources.reading import Lineage, Reading, Table, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

    from trainer.pipeline import ImageFolderSource
    from trainer.sources.files.source_files import SourceFile

EXAMPLES = 5
AT_ONCE = 500
"""Images held in memory while they are put into one table."""


@contextlib.contextmanager
def open_image_folder(source: ImageFolderSource, reading: Reading) -> Iterator[Table]:
    """Yield `id` (folder and name), `image` (the file's bytes) and `label` (the folder's name) of each image.

    Raises as `open_source` does.
    """
    endings = endings_of(source.KIND)
    stored = find_files(source.pattern, endings)
    found = [file for file in stored if file.path.lower().endswith(endings)]
    if not found:
        raise not_found(source.pattern)
    _note_skipped([file.path for file in stored if file not in found], endings)
    fetched = reading.scratch / "fetched"
    fetched.mkdir()
    lineage = Lineage(source.uri, source.KIND, max(stored.changed_at() for stored in found))
    with local_files(found, None, fetched) as files:
        rows = apply_names(_table(files, source.uri, reading.scratch), source.rename, source.uri)
        yield table_of(apply_types(rows, source.types, source.uri), lineage)


def _note_skipped(paths: list[str], endings: tuple[str, ...]) -> None:
    if paths:
        examples = ", ".join("/".join(path.rsplit("/", 2)[-2:]) for path in paths[:EXAMPLES])
        note(f"skipped files that do not end with {' or '.join(endings)}: {len(paths):,}, such as {examples}")


def _table(files: list[SourceFile], uri: str, scratch: Path) -> pl.LazyFrame:
    import polars as pl

    places = [file.name.rsplit("/", 2)[-2:] for file in files]
    if len({label for label, _ in places}) == 1:
        raise DataValidationError(
            f"{uri}: all {len(files):,} images lie in the folder {places[0][0]!r}; one folder for each class is needed"
        )
    for begin in range(0, len(files), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        pl.DataFrame({
            "id": ["/".join(place) for place in places[some]],
            "image": pl.Series([file.path.read_bytes() for file in files[some]], dtype=pl.Binary),
            "label": [label for label, _ in places[some]],
        }).write_parquet(scratch / f"images-{begin:09d}.parquet")
    return pl.scan_parquet(scratch / "images-*.parquet")
