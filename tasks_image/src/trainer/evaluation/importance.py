"""How much each input column counts for a model's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.pipeline import METRICS
from trainer.run.records import Importance

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from trainer.inference.fitted import FittedPipeline
    from trainer.problems import Problem

REPEATS = 5


def ranked(values: Mapping[str, float]) -> list[Importance]:
    """Columns by falling value, each with its share of all that is above 0; of equal ones the first by name."""
    whole = sum(max(value, 0.0) for value in values.values())
    order = sorted(values, key=lambda name: (-values[name], name))
    return [
        Importance(column=name, value=values[name], share=max(values[name], 0.0) / whole if whole else 0.0)
        for name in order
    ]


def permutation_importance(
    problem: Problem, metric: str, fitted: FittedPipeline, rows: pl.DataFrame, truth: pl.Series, seed: int
) -> dict[str, float]:
    """How much worse a metric gets when a raw column is shuffled among rows (n), on average of five shuffles.

    Above 0 is worse, whichever direction the metric improves in; what is derived from the column follows it.
    Raises DataValidationError where the metric is undefined on these rows.
    """
    import numpy as np

    sign = 1 if METRICS[metric].greater_is_better else -1
    random = np.random.default_rng(seed)

    def figure(frame: pl.DataFrame) -> float:
        predictions = problem.predictions(truth, fitted.predict(frame), fitted.positive)
        return sign * problem.score(predictions, [metric])[metric]

    def shuffled(name: str) -> Any:
        return rows[name].gather(random.permutation(rows.height))

    whole = figure(rows)
    return {
        name: whole - sum(figure(rows.with_columns(shuffled(name))) for _ in range(REPEATS)) / REPEATS
        for name in fitted.preparation.inputs
    }
