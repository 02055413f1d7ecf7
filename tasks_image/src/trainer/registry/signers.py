"""Signers: what a model takes and gives, as MLflow's signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from trainer.errors import DataValidationError
from trainer.pipeline import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, Schema


class SchemaSigner(Spec):
    """Signs with the columns and types of the training rows; a column with missing values there is optional.

    >>> SchemaSigner().KIND
    'schema'
    """

    KIND: Literal["schema"] = "schema"

    def sign(
        self, inputs: pl.DataFrame | pl.LazyFrame, outputs: pl.DataFrame, parameters: Mapping[str, Any] | None = None
    ) -> ModelSignature:
        """The signature for raw inputs (n, columns), predictions (n, columns) and parameters with their defaults."""
        from mlflow.models import ModelSignature

        params = _parameters(parameters) if parameters else None
        return ModelSignature(inputs=_schema(inputs.lazy()), outputs=_schema(outputs.lazy()), params=params)


def _parameters(defaults: Mapping[str, Any]) -> ParamSchema:
    from mlflow.types import DataType, ParamSchema, ParamSpec

    kinds = {int: DataType.long, float: DataType.double}
    return ParamSchema([ParamSpec(name, kinds[type(value)], value) for name, value in defaults.items()])


def _schema(rows: pl.LazyFrame) -> Schema:
    """The columns of rows, which are read one column at a time."""
    from mlflow.types import Schema

    kinds = rows.collect_schema()
    return Schema([_column(name, kind, rows) for name, kind in kinds.items()])


def _column(name: str, kind: pl.DataType, rows: pl.LazyFrame) -> ColSpec:
    from mlflow.types import ColSpec, DataType

    has_missing = rows.select(name).collect()[name].has_nulls()
    if kind.is_integer():
        # pandas holds whole numbers with gaps as floats, so that is what a caller will send.
        known = DataType.double if has_missing else DataType.long
    elif kind.is_float():
        known = DataType.double
    elif kind.is_temporal():
        known = DataType.datetime
    else:
        others = {
            "Boolean": DataType.boolean,
            "String": DataType.string,
            "Categorical": DataType.string,
            "Binary": DataType.binary,
        }
        if str(kind.base_type()) not in others:
            raise DataValidationError(f"column {name!r}: MLflow's signatures have no type for {kind}")
        known = others[str(kind.base_type())]
    return ColSpec(known, name, required=not has_missing)
