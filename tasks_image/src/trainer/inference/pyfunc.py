"""The PyFunc that is logged, registered and served: raw rows in, predictions out."""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow.pyfunc

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from trainer.inference.fitted import FittedPipeline

FITTED = "fitted"
"""The artifact that holds the fitted pipeline."""
PLAIN_NUMBERS, OBJECTS = {*"biuf"}, "O"
"""Kinds of NumPy's types: those that Polars takes as they are, and that of texts."""


class _FromRows:
    """`predict`, apart from the model: MLflow asks a model's own class for type hints, and knows none of frames."""

    fitted: FittedPipeline

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Rows (n, raw inputs) to rows (n, `prediction` and, for classifiers, `probability` columns).

        Of a language model `prediction` is the log-likelihood, `tokens` stands beside it, and `params` may ask for a
        `continuation` (see `FittedLanguageModel`).
        """
        import pandas as pd

        given = {name: value for name, value in (params or {}).items() if name in self.fitted.parameters}
        return pd.DataFrame(self.fitted.answers(_frame(model_input), **given), copy=False)


class InferencePipeline(_FromRows, mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Feature expressions, fitted preprocessing and estimator behind MLflow's `predict`."""

    def load_context(self, context: Any) -> None:
        """Take up the fitted pipeline that was saved with the model."""
        self.fitted = pickle.loads(Path(context.artifacts[FITTED]).read_bytes())  # noqa: S301  (our own artifact)


def _frame(rows: pd.DataFrame) -> pl.DataFrame:
    """A frame of pandas as one of Polars; for columns of numbers and texts in a third of the time of `from_pandas`."""
    import polars as pl

    return pl.DataFrame([_series(str(name), values) for name, values in rows.items()])


def _series(name: str, values: pd.Series) -> pl.Series:
    import numpy as np
    import polars as pl

    kind = values.dtype.kind if isinstance(values.dtype, np.dtype) else "one of Pandas' own"
    if kind in PLAIN_NUMBERS:
        return pl.Series(name, values.to_numpy(), nan_to_null=True)
    if kind == OBJECTS:
        with contextlib.suppress(TypeError, ValueError):  # not texts alone
            return pl.Series(name, values.to_list(), dtype=pl.String)
    return pl.from_pandas(values).alias(name)
