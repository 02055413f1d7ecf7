"""The PyFunc that is logged, registered and served: raw rows in, predictions out."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow.pyfunc

if TYPE_CHECKING:
    import pandas as pd

    from trainer.models.fitted import FittedPipeline

FITTED = "fitted"
"""The artifact that holds the fitted pipeline."""


class _FromRows:
    """`predict`, apart from the model: MLflow asks a model's own class for type hints, and knows none of frames."""

    fitted: FittedPipeline

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Rows (n, raw inputs) to rows (n, `prediction` and, for classifiers, `probability` columns)."""
        import polars as pl

        return self.fitted.predict(pl.from_pandas(model_input)).to_pandas()


class InferencePipeline(_FromRows, mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Feature expressions, fitted preprocessing and estimator behind MLflow's `predict`."""

    def load_context(self, context: Any) -> None:
        """Take up the fitted pipeline that was saved with the model."""
        self.fitted = pickle.loads(Path(context.artifacts[FITTED]).read_bytes())  # noqa: S301  (our own artifact)
