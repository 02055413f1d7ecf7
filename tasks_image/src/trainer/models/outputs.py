"""From a model's output table to the predictions that are scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.models.scores import Predictions

if TYPE_CHECKING:
    import polars as pl

PER_CLASS = "probability_"


def predictions_of(problem: str, truth: pl.Series, output: pl.DataFrame, positive: Any) -> Predictions:
    """True targets (n,) and a model's output (n rows) as Predictions; classes are compared as texts.

    Raises ModelRefusedError where the output is not finite or not in range.
    """
    import polars as pl

    if problem == "regression":
        return Predictions(truth.cast(pl.Float64).to_numpy(), output["prediction"].cast(pl.Float64).to_numpy(), None)
    truths = truth.cast(pl.String).to_numpy().astype(str)
    predicted = output["prediction"].cast(pl.String).to_numpy().astype(str)
    if problem == "binary_classification":
        return Predictions(truths, predicted, output["probability"].to_numpy(), positive=as_label(positive))
    columns = [name for name in output.columns if name.startswith(PER_CLASS)]
    classes = tuple(name.removeprefix(PER_CLASS) for name in columns)
    return Predictions(truths, predicted, output.select(columns).to_numpy(), classes)


def as_label(value: Any) -> str:
    """A class as the text that Polars makes of it: `True` is `true`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
