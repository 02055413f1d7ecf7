"""Documents in plain text files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.files.reader import stored_files
from trainer.sources.reading import Reading, Table, table_of
from trainer.sources.texts.documents import CUTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

    from trainer.pipeline import TextSource
    from trainer.sources.files.source_files import SourceFile


@contextlib.contextmanager
def open_texts(source: TextSource, reading: Reading) -> Iterator[Table]:
    """Yield `id`, `part` and `text` of each document; a file at a time is held in memory.

    Raises as `open_source` does.
    """
    with stored_files(source, reading) as (files, lineage):
        rows = apply_names(_table(files, source, reading.scratch), source.rename, source.uri)
        yield table_of(apply_types(rows, source.types, source.uri), lineage)


def _table(files: list[SourceFile], source: TextSource, scratch: Path) -> pl.LazyFrame:
    import polars as pl

    places: dict[str, int] = {}
    for number, file in enumerate(files):
        texts = [*CUTS[source.documents](_text_of(file), file.name)]
        part, stem = _part(file, source), _stem(file)
        begin = places.get(part, 0)
        places[part] = begin + len(texts)
        known = [stem] if source.documents == "files" else [f"{begin + place:06d}" for place in range(len(texts))]
        pl.DataFrame(
            {"id": [f"{part}/{one}" for one in known], "part": [part] * len(texts), "text": texts},
            schema={"id": pl.String, "part": pl.String, "text": pl.String},
        ).write_parquet(scratch / f"texts-{number:06d}.parquet")
    return pl.scan_parquet(scratch / "texts-*.parquet")


def _part(file: SourceFile, source: TextSource) -> str:
    return file.name.split("/")[-2] if source.documents == "files" and "/" in file.name else _stem(file)


def _stem(file: SourceFile) -> str:
    name = file.name.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def _text_of(file: SourceFile) -> str:
    """The text of a file, with line ends as Unix has them. Raises DataValidationError where it is not UTF-8."""
    content = file.path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataValidationError(
            f"{file.name}: line {line} is not UTF-8: byte {content[error.start]:#04x} at {error.start:,}; save "
            "the file as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
