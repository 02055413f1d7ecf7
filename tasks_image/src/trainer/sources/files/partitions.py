"""Columns that stand in the names of folders, such as `year=2026/month=1/rows.parquet`, as Hive and Spark write."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import unquote

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    import polars as pl

    from trainer.sources.files.source_files import PartitionValue, SourceFile

FOLDER = re.compile(r"([^=/]+)=([^/]*)")
MISSING = "__HIVE_DEFAULT_PARTITION__"
WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
WILDCARD = re.compile(r"[*?\[]")


def with_partitions(files: list[SourceFile], address: str) -> list[SourceFile]:
    """Return the files with the values that the folders of each name, below the address or its first wildcard.

    All values of a column are whole numbers, days, or else strings. Raises DataValidationError if the files do not name
    the same columns.

    >>> from pathlib import Path
    >>> from trainer.sources.files.source_files import SourceFile
    >>> with_partitions([SourceFile("data/year=2026/a.csv", Path("a"))], "data/**/*.csv")[0].partition
    {'year': 2026}
    """
    base = WILDCARD.split(address, maxsplit=1)[0].rpartition("/")[0]
    found = [_texts(file.name, base) for file in files]
    for file, one in zip(files, found, strict=True):
        if [*one] != [*found[0]]:
            raise DataValidationError(
                f"{file.name}: its folders name the columns {_names(one)}, and those of {files[0].name} name "
                f"{_names(found[0])}; name only files of one kind under the source"
            )
    typed = {column: _typed([one[column] for one in found]) for column in found[0]} if found else {}
    return [
        replace(file, partition={column: values[place] for column, values in typed.items()})
        for place, file in enumerate(files)
    ]


def add_partition(rows: pl.LazyFrame, file: SourceFile) -> pl.LazyFrame:
    """Return the rows of a file with the columns that its folders name; those that it holds itself stay as they are."""
    import polars as pl

    if not file.partition:
        return rows
    known = rows.collect_schema()
    kinds = {str: pl.String(), int: pl.Int64(), date: pl.Date(), type(None): None}
    return rows.with_columns(
        pl.lit(value, kinds[type(value)]).alias(column)
        for column, value in file.partition.items()
        if column not in known
    )


def _texts(name: str, base: str) -> dict[str, str | None]:
    inside = name.removeprefix(base) if name.startswith(base) else ""
    folders = (FOLDER.fullmatch(folder) for folder in inside.split("/")[:-1])
    named = {unquote(one[1]): unquote(one[2]) for one in folders if one}
    return {column: None if value in (MISSING, "") else value for column, value in named.items()}


def _typed(values: list[str | None]) -> list[PartitionValue]:
    known = [value for value in values if value is not None]
    if all(WHOLE.fullmatch(value) for value in known):
        return [None if value is None else int(value) for value in values]
    if all(_is_day(value) for value in known):
        return [None if value is None else date.fromisoformat(value) for value in values]
    return [*values]


def _is_day(value: str) -> bool:
    try:
        return bool(DAY.fullmatch(value) and date.fromisoformat(value))
    except ValueError:
        return False


def _names(partition: dict[str, str | None]) -> str:
    return ", ".join(map(repr, partition)) or "none"
