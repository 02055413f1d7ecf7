"""What a model of tables rests on: SHAP values of trees, else what is lost when a column is shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from trainer.modalities.modality import Explained
from trainer.problems import problem_of
from trainer.registry.own_models import load_fitted
from trainer.run.records import TrainResult
from trainer.tables.handover import rows_of

if TYPE_CHECKING:
    import polars as pl

    from trainer.inference.fitted import FittedPipeline, TabularPreparation
    from trainer.pipeline import TabularPipeline
    from trainer.run import RunFolder
    from trainer.run.records import EvaluateResult

ROWS_FOR_SHAP = 500
ROWS_FOR_SHUFFLING = 2000


def explain(pipeline: TabularPipeline, run: RunFolder, evaluation: EvaluateResult) -> Explained:
    """Rank the input columns by whichever method fits the estimator, and draw the ranking first."""
    from dataclasses import replace

    from trainer.evaluation.tree_shap import why_no_trees
    from trainer.plots.explained import importance_drawing

    fitted = load_fitted(evaluation.model_id)
    why = why_no_trees(fitted.estimator)
    found = _by_shuffling(pipeline, run, evaluation.winner, why) if why else _by_shap(pipeline, run, fitted)
    ranking = importance_drawing(found.importance, found.unit)
    return replace(found, drawings=[ranking, *found.drawings])


def _by_shap(pipeline: TabularPipeline, run: RunFolder, fitted: FittedPipeline) -> Explained:
    import numpy as np

    from trainer.evaluation.importance import ranked
    from trainer.evaluation.tree_shap import affordable_rows, tree_shap
    from trainer.plots.explained import shap_drawing

    most = min(ROWS_FOR_SHAP, affordable_rows(fitted.estimator))
    rows, _ = _sample(pipeline, run, most)
    found = tree_shap(fitted, rows)
    importance = ranked({name: float(np.abs(values).mean()) for name, values in found.values.items()})
    inputs = cast("TabularPreparation", fitted.preparation).inputs_of(rows)
    drawing = shap_drawing(found.of_predicted_class(), inputs, importance, _answer(fitted, found.unit))
    return Explained("shap", "", f"mean |SHAP value| ({found.unit})", rows.height, importance, [drawing])


def _answer(fitted: FittedPipeline, unit: str) -> str:
    if fitted.positive is not None:
        return f"the {unit} of {fitted.positive}"
    return f"the {unit} of the class predicted" if fitted.classes else "the prediction"


def _by_shuffling(pipeline: TabularPipeline, run: RunFolder, winner: str, why: str) -> Explained:
    """By the winner as `train` has fitted it: what a column is worth is seen on rows that a model has not learned."""
    from trainer.evaluation.importance import permutation_importance, ranked

    fitted = load_fitted(run.at("train", winner).result(TrainResult).model_id)
    rows, truth = _sample(pipeline, run, ROWS_FOR_SHUFFLING)
    metric = pipeline.tuning.metric
    problem = problem_of(pipeline.problem)
    lost = permutation_importance(problem, metric, fitted, rows, truth, pipeline.tuning.seed)
    return Explained("permutation", why, f"loss in {metric} when shuffled", rows.height, ranked(lost), [])


def _sample(pipeline: TabularPipeline, run: RunFolder, most: int) -> tuple[pl.DataFrame, pl.Series]:
    """At most so many validation rows and their targets, a seeded choice."""
    import polars as pl

    rows, truth, _ = rows_of(pipeline, run, "validation")
    chosen = pl.int_range(rows.height, eager=True).sample(min(most, rows.height), seed=pipeline.tuning.seed).sort()
    return rows[chosen], truth[chosen]
