"""Types that steps do not understand: what each becomes without a declaration, and what is done about the others."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.sources.column_types import apply_types
from trainer.sources.notes import collected_notes
from trainer.sources.plain_types import why_unusable

ZURICH = ZoneInfo("Europe/Zurich")
NOON = datetime(2026, 7, 1, 12, 30)
IN_ZURICH = datetime(2026, 7, 1, 14, 30, tzinfo=ZURICH)


def typed(values: pl.Series, types: Any = None) -> tuple[pl.Series, list[str]]:
    with collected_notes() as notes:
        found = apply_types(values.alias("x").to_frame().lazy(), types or {}, "table").collect()["x"]
    return found, notes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series(["b", "a", None], dtype=pl.Categorical), pl.Series(["b", "a", None])),
        (pl.Series(["b"], dtype=pl.Enum(["a", "b"])), pl.Series(["b"])),
        (pl.Series([7, None], dtype=pl.UInt64), pl.Series([7, None])),
        (pl.Series([255], dtype=pl.UInt8), pl.Series([255])),
        (pl.Series([12], dtype=pl.Int128), pl.Series([12])),
        (pl.Series([Decimal(9007199254740993)], dtype=pl.Decimal(20, 0)), pl.Series([9007199254740993])),
        (pl.Series([NOON], dtype=pl.Datetime("ns")), pl.Series([NOON])),
        (pl.Series([NOON], dtype=pl.Datetime("ms")), pl.Series([NOON])),
    ],
    ids=["dictionary", "enum", "UInt64", "UInt8", "Int128", "whole decimal", "nanoseconds", "milliseconds"],
)
def test_what_loses_nothing_is_taken_without_a_note(values: pl.Series, expected: pl.Series) -> None:
    found, notes = typed(values)
    assert (found.dtype, found.to_list()) == (expected.dtype, expected.to_list())
    assert notes == []


def test_decimals_become_floats_with_a_note_unless_they_are_declared() -> None:
    prices = pl.Series([Decimal("0.10"), None], dtype=pl.Decimal(12, 2))
    found, notes = typed(prices)
    assert found.to_list() == [0.1, None]
    assert notes[0].startswith("column 'x': Decimal(precision=12, scale=2) is kept as the nearest float")
    assert typed(prices, {"x": "string"})[0].to_list() == ["0.10", None]
    assert typed(prices, {"x": "float"})[1] == []


@pytest.mark.parametrize("types", [{}, {"x": "datetime"}], ids=["not declared", "declared"])
@pytest.mark.parametrize(
    "values",
    [pl.Series([IN_ZURICH], dtype=pl.Datetime("ms", "Europe/Zurich")), pl.Series([NOON], dtype=pl.Datetime("ns", "UTC"))],
    ids=["Zurich", "UTC"],
)  # fmt: skip
def test_zoned_timestamps_stay_the_same_instants(values: pl.Series, types: Any) -> None:
    found, (note,) = typed(values, types)
    assert (found.dtype, found.to_list()) == (pl.Datetime("us"), [NOON])
    assert note == f"column 'x': timestamps with a time zone ({values.dtype.time_zone}) are kept as the same instants in UTC"  # type: ignore[attr-defined]  # fmt: skip


def test_offsets_in_texts_stay_the_same_instants_and_are_noted() -> None:
    found, (note,) = typed(pl.Series(["2026-07-01T14:30:00+02:00", "2026-07-01T12:30:00Z"]), {"x": "datetime"})
    assert found.to_list() == [NOON, NOON]
    assert "(UTC) are kept as the same instants in UTC" in note


@pytest.mark.parametrize(
    "values",
    [pl.Series(["2026-07-01T00:30:00+02:00"]), pl.Series([datetime(2026, 7, 1, tzinfo=UTC)])],
    ids=["texts", "timestamps"],
)
def test_a_day_that_depends_on_the_zone_is_refused(values: pl.Series) -> None:
    message = r"column 'x' is declared date and holds timestamps with a time zone \(UTC\), .*; declare it datetime"
    with pytest.raises(DataValidationError, match=message):
        typed(values, {"x": "date"})


@pytest.mark.parametrize(
    ("values", "types", "message"),
    [
        ([[1, 2]], "string", r"'x' is List\(Int64\), which cannot become string: .*; take plain columns out of it"),
        ([time(3)], "datetime", "'x' is Time, which cannot become datetime: .*; give it the type string"),
        ([b"\xff"], "string", "'x' is Binary, which cannot become string: invalid utf8"),
    ],
    ids=["list", "time", "binary"],
)
def test_a_type_that_cannot_become_the_declared_one(values: list[Any], types: str, message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        typed(pl.Series(values), {"x": types})


@pytest.mark.parametrize(
    ("values", "types", "expected"),
    [
        (pl.Series(["2", "1"], dtype=pl.Categorical), "integer", [2, 1]),
        (pl.Series([1.0, 0.0]), "boolean", [True, False]),
        (pl.Series([b"ab"]), "string", ["ab"]),
        (pl.Series([time(3, 4)]), "string", ["03:04:00"]),
    ],
    ids=["categories are no codes", "floats are booleans", "bytes are a text", "a time is a text"],
)
def test_other_types_become_the_declared_one(values: pl.Series, types: str, expected: list[Any]) -> None:
    found = typed(values, {"x": types})[0].to_list()
    assert [value.removesuffix(".000000000") if isinstance(value, str) else value for value in found] == expected


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([[1]]), pl.Series([{"a": 1}]), pl.Series([b"a"]), pl.Series([time(3)]), pl.Series([timedelta(hours=1)]),
        pl.Series([2**63], dtype=pl.UInt64),
    ],
    ids=["list", "struct", "binary", "time", "duration", "beyond 64 bits"],
)  # fmt: skip
def test_what_has_no_plain_equivalent_stays_and_is_unusable(values: pl.Series) -> None:
    found, _ = typed(values)
    assert found.dtype == values.dtype
    assert why_unusable(found.dtype)


@pytest.mark.parametrize(
    "values", [1, 1.5, True, "a", date(2026, 1, 1), NOON], ids=lambda value: type(value).__name__
)  # fmt: skip
def test_plain_types_are_usable_and_stay_the_very_same_rows(values: Any) -> None:
    rows = pl.LazyFrame({"x": [values]})
    assert apply_types(rows, {}, "table") is rows
    assert why_unusable(rows.collect_schema()["x"]) == ""
