"""PostgreSQL's types as the steps know them: numbers, texts, truth values, dates and moments."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError

if TYPE_CHECKING:
    import pyarrow as pa

AS_THEY_ARE = frozenset({"bool", "int2", "int4", "int8", "float4", "float8", "date", "timestamp", "timestamptz"})
AS_TEXT = frozenset({"text", "varchar", "bpchar", "name", "char", "json", "jsonb", "uuid"})
NUMERIC = "numeric"
NAME_OF_TYPE = b"POSTGRESQL:type"
"""Under this key ADBC says a column's type."""
HEX_OF_UUID = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
"""Where in its 32 digits the parts of a UUID begin, and how long they are."""
EPOCH, EARLIEST, LATEST = date(1970, 1, 1), date.min, date.max
MICROSECONDS_PER_DAY = 86_400_000_000


def quoted(name: str) -> str:
    """A name of a table or a column as it stands in SQL, whatever is in it.

    >>> quoted('odd"name')
    '"odd""name"'
    """
    return '"' + name.replace('"', '""') + '"'


def check_columns(schema: pa.Schema, address: str) -> None:
    """Raise an error that names the columns whose type no step understands, or whose name is another's too."""
    if twice := [name for name, times in Counter(schema.names).items() if times > 1]:
        raise ConfigurationError(f"source.query: two columns are called {twice[0]!r}; tell them apart by AS")
    if not schema.names:
        raise DataValidationError(f"{address}: there is no column; nothing can be learned from none")
    unknown = {field.name: _type_of(field) for field in schema if not _is_known(field)}
    if unknown:
        named = ", ".join(f"{name!r} ({kind})" for name, kind in unknown.items())
        cast = "{0}::text AS {0}".format(quoted(next(iter(unknown))))
        raise DataValidationError(
            f"{address}: no step understands the type of {len(unknown)} of {len(schema)} columns: {named}; leave them "
            f"out in a `source.query`, or cast them there, such as {cast}"
        )


def _is_known(field: pa.Field) -> bool:
    import pyarrow as pa

    # An enum has a name of its own, and is a plain text to ADBC.
    return field.metadata[NAME_OF_TYPE].decode() in {*AS_THEY_ARE, *AS_TEXT, NUMERIC} or pa.types.is_string(field.type)


def _type_of(field: pa.Field) -> str:
    name = str(field.metadata[NAME_OF_TYPE].decode())
    if name.startswith("unnamed<"):  # ADBC looks up neither ranges nor the types of some extensions
        return f"pg_type.{name.removeprefix('unnamed<').removesuffix('>')}"
    return f"{name[1:]}[]" if name.startswith("_") else name


def plain_columns(batch: pa.RecordBatch, exact: frozenset[str]) -> pa.RecordBatch:
    """A batch as ADBC gives it, as the steps know it.

    A numeric becomes a float of 64 bits, or the text of all its digits where its column is one of `exact`; char(n)
    loses the blanks that it is filled with. A timestamp with a time zone keeps it: what reads the batch knows zones.
    """
    import pyarrow as pa

    columns = [_plain(batch.column(at), field, field.name in exact) for at, field in enumerate(batch.schema)]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _plain(column: pa.Array, field: pa.Field, exact: bool) -> pa.Array:  # noqa: FBT001
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = field.metadata[NAME_OF_TYPE].decode()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if kind == "uuid":
        return _uuid_texts(column)
    if kind == NUMERIC and not exact:
        return pc.cast(column, pa.float64())
    return pc.utf8_rtrim(column, " ") if kind == "bpchar" else column


def _uuid_texts(column: pa.Array) -> pa.Array:
    import polars as pl
    import pyarrow as pa

    digits = pl.Series("uuid", column.cast(pa.binary())).bin.encode("hex")
    parts = [pl.col("uuid").str.slice(at, length) for at, length in HEX_OF_UUID]
    return digits.to_frame().select(pl.concat_str(parts, separator="-")).to_series().to_arrow().cast(pa.string())


def outside_calendar(batch: pa.RecordBatch) -> Counter[str]:
    """By column, how many dates and moments are infinite, or outside of the years 1 to 9999 that the steps know."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: Counter[str] = Counter()
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if pa.types.is_temporal(field.type):
            counts = column.view(pa.int32() if pa.types.is_date32(field.type) else pa.int64())
            scale = 1 if pa.types.is_date32(field.type) else MICROSECONDS_PER_DAY
            low, high = (EARLIEST - EPOCH).days * scale, ((LATEST - EPOCH).days + 1) * scale
            wrong = pc.or_(pc.less(counts, low), pc.greater_equal(counts, high))
            found[field.name] = pc.sum(wrong).as_py() or 0
    return +found
