"""Several files as one table: their columns compared first, and differences named by file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

EXAMPLES = 5


@dataclass(frozen=True)
class FileRows:
    """The rows of one file, named and typed as the source declares."""

    name: str
    """What a person knows the file by."""
    rows: pl.LazyFrame


def one_table(parts: list[FileRows], *, guessed: bool) -> pl.LazyFrame:
    """All rows, part by part, with the columns of the first.

    `guessed` types are those of text files: there, whole numbers give way to others, and a column without a value to
    any type. Raises DataValidationError, naming the files, where one has other columns, or another type of one.
    """
    import polars as pl

    if len(parts) == 1:
        return parts[0].rows
    schemas = [dict(part.rows.collect_schema()) for part in parts]
    kinds = dict(schemas[0])
    _refuse_other_columns(parts, schemas)
    if guessed and any(schema != schemas[0] for schema in schemas):
        schemas = [_known(part, schema) for part, schema in zip(parts, schemas, strict=True)]
        kinds = {column: _widest([schema[column] for schema in schemas], kinds[column]) for column in kinds}
    _refuse_other_types(parts, schemas, kinds)
    return pl.concat([part.rows.select(pl.col(column).cast(kind) for column, kind in kinds.items()) for part in parts])


def _known(part: FileRows, schema: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """The types of a part's columns; of one without a value nothing is known."""
    import polars as pl

    texts = [column for column, kind in schema.items() if kind == pl.String]
    counts = part.rows.select(pl.col(column).count() for column in texts).collect(engine="streaming")
    return {**schema, **{column: pl.Null() for column in texts if not counts[column].item()}}


def _widest(kinds: list[pl.DataType], otherwise: pl.DataType) -> pl.DataType:
    """The type that all values fit, as far as whole numbers and columns without a value go."""
    import polars as pl

    known = {kind for kind in kinds if kind != pl.Null}
    if known == {pl.Int64(), pl.Float64()}:
        return pl.Float64()
    return next(iter(known)) if len(known) == 1 else otherwise


def _refuse_other_columns(parts: list[FileRows], schemas: list[dict[str, pl.DataType]]) -> None:
    wanted = schemas[0]
    wrong = []
    for part, schema in zip(parts, schemas, strict=True):
        lacks = [repr(column) for column in wanted if column not in schema]
        more = [repr(column) for column in schema if column not in wanted]
        said = [f"lacks {', '.join(lacks[:EXAMPLES])}"] * bool(lacks) + [
            f"has {', '.join(more[:EXAMPLES])} too"
        ] * bool(more)
        wrong += [f"{part.name} {' and '.join(said)}"] * bool(said)
    _refuse(wrong, parts, "do not have the columns of", "mend them, or name only files of one kind under the source")


def _refuse_other_types(
    parts: list[FileRows], schemas: list[dict[str, pl.DataType]], kinds: Mapping[str, pl.DataType]
) -> None:
    import polars as pl

    wrong = []
    for part, schema in zip(parts, schemas, strict=True):
        other = [
            f"{column!r} is {schema[column]}, not {kind}"
            for column, kind in kinds.items()
            if schema[column] not in (kind, pl.Null()) and not (schema[column] == pl.Int64 and kind == pl.Float64)
        ]
        wrong += [f"{part.name}: {', '.join(other[:EXAMPLES])}"] * bool(other)
    _refuse(wrong, parts, "have columns of other types than", "mend them, or declare the types under `source.types`")


def _refuse(wrong: list[str], parts: list[FileRows], how: str, mend: str) -> None:
    if wrong:
        more = f"; and {len(wrong) - EXAMPLES} more" if len(wrong) > EXAMPLES else ""
        raise DataValidationError(
            f"{len(wrong)} of {len(parts)} files {how} {parts[0].name}: {'; '.join(wrong[:EXAMPLES])}{more}; {mend}"
        )
