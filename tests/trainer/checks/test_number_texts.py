"""Numbers that are strings because of a few values, or of how they are written."""

from __future__ import annotations

import polars as pl
import pytest

from tests.conftest import changed
from trainer.checks.number_texts import CHECK, find_numbers, numbers_as_texts
from trainer.inference.features import fit_features
from trainer.pipeline import Features, Pipeline


def test_one_text_among_numbers_is_counted_and_named() -> None:
    assert str(find_numbers(pl.Series("x", ["1.5"] * 2_999 + ["n/a", None]))) == (
        "2,999 of 3,000 values are numbers: list 'n/a' under source.missing, and declare it float or integer under "
        "source.types"
    )


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1,234.50", "5", "-1,000"], [1234.5, 5, -1000]),
        (["45 %", "7.5%"], [45, 7.5]),
        (["$1.00", "-$2.50", "$ 1,000.00"], [1, -2.5, 1000]),
        (["€ 12", *["7 €"] * 9, "?"], [12, *[7] * 9, None]),
        (["1,5", "1.234,50", "12 €", "7"], [1.5, 1234.5, 12, 7]),
    ],
    ids=["thousands", "per-cent", "dollars", "euros-and-a-text", "decimal-comma"],
)
def test_the_remedy_reads_the_numbers(values: list[str], numbers: list[float | None]) -> None:
    frame = pl.DataFrame({"x": values})
    found = find_numbers(frame["x"])
    assert found is not None
    assert f"derive {found.expression} under features.derive" in str(found)
    derived = fit_features(Features(derive={"number": found.expression}), frame).transform(frame)["number"]
    assert derived.to_list() == numbers


@pytest.mark.parametrize(
    "values",
    [["01067", "80331"], ["12345678901234567890"], ["113803", "A/5 21171"], ["a"], [None]],
    ids=["codes", "many-digits", "mixed", "texts", "missing"],
)
def test_what_is_not_numbers(values: list[str | None]) -> None:
    assert find_numbers(pl.Series("x", values, dtype=pl.String)) is None


def test_inputs_that_are_not_declared_are_warned_of(churn: Pipeline) -> None:
    rows = pl.DataFrame({name: ["1", "2"] for name in ("amount", "customer_id", "declared")}).lazy()
    source = {"KIND": "csv", "uri": "x.csv", "types": {"declared": "string"}}
    (found,) = numbers_as_texts(changed(churn, source=source), rows)
    assert (found.check, found.column, found.severity, found.passed) == (CHECK, "amount", "warning", False)
    assert found.message.startswith("2 of 2 values are numbers: declare it float or integer under source.types; each ")
