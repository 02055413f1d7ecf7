"""Signers: what a model takes and gives, as MLflow's signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainer.errors import DataValidationError
from trainer.pipeline import Spec

if TYPE_CHECKING:
    import polars as pl
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec


class SchemaSigner(Spec):
    """Signs with the columns and types of the training rows; a column with missing values there is optional.

    >>> SchemaSigner().KIND
    'schema'
    """

    KIND: Literal["schema"] = "schema"

    def sign(self, inputs: pl.DataFrame, outputs: pl.DataFrame) -> ModelSignature:
        """The signature for raw inputs (n, columns) and predictions (n, columns)."""
        from mlflow.models import ModelSignature
        from mlflow.types import Schema

        return ModelSignature(
            inputs=Schema([_column(inputs[name]) for name in inputs.columns]),
            outputs=Schema([_column(outputs[name]) for name in outputs.columns]),
        )


def _column(values: pl.Series) -> ColSpec:
    from mlflow.types import ColSpec, DataType

    has_missing = values.null_count() > 0
    kind = values.dtype
    if kind.is_integer():
        # pandas holds whole numbers with gaps as floats, so that is what a caller will send.
        name = DataType.double if has_missing else DataType.long
    elif kind.is_float():
        name = DataType.double
    elif kind.is_temporal():
        name = DataType.datetime
    else:
        texts = {"Boolean": DataType.boolean, "String": DataType.string, "Categorical": DataType.string}
        if str(kind.base_type()) not in texts:
            raise DataValidationError(f"column {values.name!r}: MLflow's signatures have no type for {kind}")
        name = texts[str(kind.base_type())]
    return ColSpec(name, values.name, required=not has_missing)
