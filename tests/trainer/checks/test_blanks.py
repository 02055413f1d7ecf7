"""A value with blanks around it is a category of its own, of which a person is warned."""

from __future__ import annotations

import polars as pl

from trainer.checks.blanks import CHECK, blanks_around_values
from trainer.inference.features import fit_features
from trainer.pipeline import Features, Pipeline


def test_values_with_and_without_blanks_are_counted_and_the_remedy_makes_them_one(churn: Pipeline) -> None:
    frame = pl.DataFrame({
        "region name": ["north", "north ", " north", "north ", "south", None],
        "padded": ["a ", "a ", "b ", "b ", "b ", "c "],
        "number": [1, 2, 3, 4, 5, 6],
        churn.columns.target: ["Yes", "Yes ", "No", "No", "No", "No"],
    })
    [warning] = blanks_around_values(churn, frame.lazy())
    assert (warning.check, warning.column, warning.severity) == (CHECK, "region name", "warning")
    assert warning.examples == ["north ", " north"]
    assert warning.message.startswith("2 values in 3 rows have blanks around them")
    assert 'derive TRIM("region name") under features.derive' in warning.message
    derived = fit_features(Features(derive={"region": 'TRIM("region name")'}), frame).transform(frame)["region"]
    assert derived.to_list() == ["north", "north", "north", "north", "south", None]
