"""Signatures: names, types and what may be missing, as MLflow enforces them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from mlflow.types import DataType

from trainer.errors import DataValidationError
from trainer.registry.signers import SchemaSigner

OUTPUTS = pl.DataFrame({"prediction": ["yes"], "probability": [0.7]})


@pytest.mark.parametrize(
    ("values", "kind", "required"),
    [
        (pl.Series([1, 2]), DataType.long, True),
        (pl.Series([1, None]), DataType.double, False),
        (pl.Series([1, 2], dtype=pl.Int8), DataType.long, True),
        (pl.Series([1.5, 2.0], dtype=pl.Float32), DataType.double, True),
        (pl.Series([1.5, None]), DataType.double, False),
        (pl.Series(["a", "b"]), DataType.string, True),
        (pl.Series(["a", None]), DataType.string, False),
        (pl.Series(["a", "b"], dtype=pl.Categorical), DataType.string, True),
        (pl.Series([True, False]), DataType.boolean, True),
        (pl.Series([date(2026, 1, 1)]), DataType.datetime, True),
        (pl.Series([datetime(2026, 1, 1), None]), DataType.datetime, False),
    ],
    ids=["whole", "whole-with-gaps", "small", "single", "number-with-gaps", "text", "text-with-gaps", "categorical",
         "boolean", "date", "datetime-with-gaps"],
)  # fmt: skip
def test_a_column_is_signed_with_its_type(values: pl.Series, kind: Any, required: bool) -> None:
    signature = SchemaSigner().sign(pl.DataFrame({"x": values}), OUTPUTS)
    (column,) = signature.inputs.inputs
    assert (column.name, column.type, column.required) == ("x", kind, required)


def test_outputs_are_signed_too() -> None:
    signature = SchemaSigner().sign(pl.DataFrame({"b": [1], "a": ["x"]}), OUTPUTS)
    assert signature.inputs.input_names() == ["b", "a"]
    assert {column.name: column.type for column in signature.outputs.inputs} == {
        "prediction": DataType.string,
        "probability": DataType.double,
    }


def test_a_type_that_mlflow_does_not_have() -> None:
    with pytest.raises(DataValidationError, match=r"column 'x': MLflow's signatures have no type for List"):
        SchemaSigner().sign(pl.DataFrame({"x": [[1, 2]]}), OUTPUTS)


def test_parameters_are_signed_with_their_defaults() -> None:
    signed = SchemaSigner().sign(pl.DataFrame({"x": ["a"]}), OUTPUTS, {"seed": 1, "temperature": 0.5})
    assert [(one.name, one.dtype, one.default) for one in signed.params] == [
        ("seed", DataType.long, 1), ("temperature", DataType.double, 0.5),
    ]  # fmt: skip
    assert SchemaSigner().sign(pl.DataFrame({"x": ["a"]}), OUTPUTS, {}).params is None
