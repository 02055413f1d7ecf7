"""Checks of the target name its classes in any way of writing them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.conftest import changed
from trainer.checks.targets import with_classes_as_in_table
from trainer.pipeline import Pipeline

SET = "expect_column_values_to_be_in_set"
SHARES = "expect_column_kl_divergence_to_be_less_than"


@pytest.mark.parametrize(
    ("classes", "said"),
    [([0.0, 1.0], ["0", 1]), ([False, True], ["false", "True"]), (["no ", " yes"], ["no", "yes"])],
    ids=["floats", "booleans", "blanks"],
)
def test_they_become_those_of_the_table(churn: Pipeline, classes: list[Any], said: list[Any]) -> None:
    rows = pl.LazyFrame({"churn": classes})
    partition = {"values": said, "weights": [0.5, 0.5]}
    checks = [
        {"check": SET, "dimension": "validity", "kwargs": {"column": "churn", "value_set": [*said, "other"]}},
        {"check": SHARES, "dimension": "validity", "kwargs": {"column": "churn", "partition_object": partition}},
        {"check": SET, "dimension": "validity", "kwargs": {"column": "plan", "value_set": said}},
    ]
    own, shares, other = with_classes_as_in_table(changed(churn, validation=checks), rows)
    assert [(type(value), value) for value in own.kwargs["value_set"]] == [
        *((type(value), value) for value in classes), (str, "other"),
    ]  # fmt: skip
    assert shares.kwargs["partition_object"]["values"] == classes
    assert other.kwargs["value_set"] == said
