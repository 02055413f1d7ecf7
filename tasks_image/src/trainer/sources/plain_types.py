"""The few column types that every step understands, and how columns of other types become one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.sources.notes import note

if TYPE_CHECKING:
    import polars as pl

LARGEST = 2**63 - 1


def plain_casts(rows: pl.LazyFrame, but: set[str]) -> dict[str, pl.Expr]:
    """Return a cast for each column that has a plain equivalent of another type, except for the columns in `but`.

    Categories become strings; unsigned integers and decimals without a fraction become Int64 if all values fit; other
    decimals become the nearest Float64; zoned timestamps become the same instants in UTC; all timestamps are in
    microseconds. Takes a note where the values are written differently afterwards.
    """
    found = {name: kind for name, kind in rows.collect_schema().items() if name not in but}
    whole = _fitting_integers(rows, [name for name, kind in found.items() if _may_be_integer(kind)])
    casts = {name: _cast(name, kind, is_whole=name in whole) for name, kind in found.items()}
    return {name: cast for name, cast in casts.items() if cast is not None}


def in_utc(values: pl.Expr, name: str, zone: str) -> pl.Expr:
    """Return zoned timestamps as the same instants in UTC, without a zone, and take a note of it."""
    note(f"column {name!r}: timestamps with a time zone ({zone}) are kept as the same instants in UTC")
    return values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def zone_of(kind: pl.DataType) -> str:
    """Return the time zone of a timestamp type; an empty string if there is none."""
    return getattr(kind, "time_zone", None) or ""


def why_unusable(kind: pl.DataType) -> str:
    """Return how to make a column of this type usable; an empty string if it is."""
    import polars as pl

    if kind.is_nested() or kind == pl.Object:
        return "take plain columns out of it where it is written"
    if kind == pl.Binary:
        return "give it the type string under source.types if its bytes are UTF-8 text"
    if kind == pl.Time:
        return "give it the type string under source.types, or write it as a number, such as of seconds"
    if kind == pl.Duration:
        return "write it as a number, such as of seconds"
    if kind.is_decimal() or kind in (pl.UInt64, pl.Int128, pl.UInt128):
        return "values beyond those of 64 bits are float (rounded) or string: give it such a type under source.types"
    return ""


def _may_be_integer(kind: pl.DataType) -> bool:
    import polars as pl

    return kind in (pl.UInt64, pl.Int128, pl.UInt128) or (isinstance(kind, pl.Decimal) and not kind.scale)


def _fitting_integers(rows: pl.LazyFrame, names: list[str]) -> set[str]:
    """Those of the columns whose values all fit into 64 bits."""
    import polars as pl

    if not names:
        return set()
    lost = [(pl.col(name).is_not_null() & pl.col(name).cast(pl.Int64, strict=False).is_null()).any() for name in names]
    found = rows.select(one.alias(name) for name, one in zip(names, lost, strict=True)).collect(engine="streaming")
    return {name for name in names if not found[name].item()}


def _cast(name: str, kind: pl.DataType, *, is_whole: bool) -> pl.Expr | None:
    import polars as pl

    values = pl.col(name)
    if kind in (pl.Categorical, pl.Enum):
        return values.cast(pl.String)
    if is_whole or kind in (pl.UInt8, pl.UInt16, pl.UInt32):
        return values.cast(pl.Int64)
    if kind == pl.Float16:
        return values.cast(pl.Float32)
    if kind.is_decimal():
        note(
            f"column {name!r}: {kind} is kept as the nearest float; the type string under source.types keeps all digits"
        )
        return values.cast(pl.Float64)
    if isinstance(kind, pl.Datetime) and kind != pl.Datetime("us"):
        plain = in_utc(values, name, kind.time_zone) if kind.time_zone else values
        return plain.cast(pl.Datetime("us"))
    return None
