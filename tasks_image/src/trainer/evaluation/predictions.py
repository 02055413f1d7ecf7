"""From a model's output table to the predictions that are scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.evaluation.scores import Predictions
from trainer.inference.labels import as_label, labels_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

PER_CLASS = "probability_"


def predictions_of(problem: str, truth: pl.Series, output: pl.DataFrame, positive: Any) -> Predictions:
    """True targets (n,) and a model's output (n rows) as Predictions; classes are compared as labels.

    Raises ModelRefusedError where the output is not finite or not in range.
    """
    import polars as pl

    if problem == "regression":
        return Predictions(truth.cast(pl.Float64).to_numpy(), output["prediction"].cast(pl.Float64).to_numpy(), None)
    truths, predicted = _texts(truth), _texts(output["prediction"])
    if problem == "binary_classification":
        return Predictions(truths, predicted, output["probability"].to_numpy(), positive=as_label(positive))
    columns = [name for name in output.columns if name.startswith(PER_CLASS)]
    classes = tuple(as_label(name.removeprefix(PER_CLASS)) for name in columns)
    return Predictions(truths, predicted, output.select(columns).to_numpy(), classes)


def _texts(labels: pl.Series) -> NDArray[np.str_]:
    """Classes (n,) as labels, of which each is made once."""
    import numpy as np
    import polars as pl

    texts = labels_of(labels).fill_null(str(None))
    known = texts.unique().sort()
    places = texts.cast(pl.Enum(known)).to_physical().to_numpy()
    made: NDArray[np.str_] = np.array(known.to_list(), dtype=str)[places]
    return made
