"""Say what the challenger's answers rest on, and draw how good they are."""

from __future__ import annotations

import logging
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainer.problems import problem_of
from trainer.run.records import EvaluateResult, ExplainResult, StartResult, TrainResult
from trainer.tables.handover import PREDICTIONS, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.inference.fitted import FittedPipeline
    from trainer.pipeline import Pipeline
    from trainer.plots.drawing import Drawing
    from trainer.problems.predictions import Predictions
    from trainer.run import RunFolder
    from trainer.run.records import Importance

logger = logging.getLogger(__name__)

IMPORTANCE = "importance.json"
PLOTS = "plots"
"""The folder in the parent MLflow run."""
ROWS_FOR_SHAP = 500
ROWS_FOR_SHUFFLING = 2000
FIRST_COLUMNS = 20
PRODUCTION = "production_"
"""What the columns of production's answers begin with."""


def run(pipeline: Pipeline, run: RunFolder) -> ExplainResult:
    """Rank the input columns by SHAP values (trees) or by shuffling, draw the plots, and log all to the parent run.

    Raises ModelRefusedError where the challenger cannot be explained: nothing is promoted in doubt.
    """
    from trainer.plots.drawing import keep, style

    start = run.at("start").result(StartResult)
    evaluation = run.at("evaluate").result(EvaluateResult)
    fitted = load_fitted(evaluation.model_id)
    with style():
        explained, drawing = _explain(pipeline, run, fitted, evaluation)
        drawings = [*drawing, *_judged(pipeline, run)]
        result = explained.model_copy(update={"plots": [keep(run, one) for one in drawings]})
    _log(start.run_id, run, result)
    return result


def load_fitted(model_id: str) -> FittedPipeline:
    """The fitted pipeline of a model that this run has logged itself; anyone else's would need its own code."""
    import mlflow

    from trainer.inference.pyfunc import FITTED
    from trainer.registry.tracking import connect

    logged = connect().get_logged_model(model_id)
    with tempfile.TemporaryDirectory() as scratch:
        uri = f"{logged.artifact_location}/artifacts/{FITTED}.pickle"
        file = mlflow.artifacts.download_artifacts(uri, dst_path=scratch)
        fitted: FittedPipeline = pickle.loads(Path(file).read_bytes())  # noqa: S301  (this run's own artifact)
    return fitted


def _explain(
    pipeline: Pipeline, run: RunFolder, fitted: FittedPipeline, evaluation: EvaluateResult
) -> tuple[ExplainResult, list[Drawing]]:
    """The ranking by whichever method fits the estimator, and its pictures; writes `importance.json`."""
    from trainer.evaluation.tree_shap import why_no_trees
    from trainer.plots.explained import importance_drawing

    why = why_no_trees(fitted.estimator)
    explained = _by_shuffling(pipeline, run, evaluation.winner) if why else _by_shap(pipeline, run, fitted)
    for one in explained.importance[:3]:
        logger.info("%s counts: %s %.4g, %.0f %%", evaluation.winner, one.column, one.value, 100 * one.share)
    whole = {"method": explained.method, "why": why, "unit": explained.unit, "rows": explained.rows}
    run.write_json(IMPORTANCE, {**whole, "columns": [one.model_dump() for one in explained.importance]})
    result = ExplainResult(
        method=explained.method,
        why=why,
        unit=explained.unit,
        rows=explained.rows,
        importance=explained.importance[:FIRST_COLUMNS],
        plots=[],
    )
    return result, [importance_drawing(explained.importance, explained.unit), *explained.drawings]


@dataclass(frozen=True, eq=False)
class _Explained:
    method: Literal["shap", "permutation"]
    unit: str
    rows: int
    importance: list[Importance]
    drawings: list[Drawing]


def _by_shap(pipeline: Pipeline, run: RunFolder, fitted: FittedPipeline) -> _Explained:
    import numpy as np

    from trainer.evaluation.importance import ranked
    from trainer.evaluation.tree_shap import affordable_rows, tree_shap
    from trainer.plots.explained import shap_drawing

    most = min(ROWS_FOR_SHAP, affordable_rows(fitted.estimator))
    rows, _ = _sample(pipeline, run, most)
    found = tree_shap(fitted, rows)
    importance = ranked({name: float(np.abs(values).mean()) for name, values in found.values.items()})
    inputs = fitted.preparation.inputs_of(rows)
    drawing = shap_drawing(found.of_predicted_class(), inputs, importance, _answer(fitted, found.unit))
    return _Explained("shap", f"mean |SHAP value| ({found.unit})", rows.height, importance, [drawing])


def _answer(fitted: FittedPipeline, unit: str) -> str:
    if fitted.positive is not None:
        return f"the {unit} of {fitted.positive}"
    return f"the {unit} of the class predicted" if fitted.classes else "the prediction"


def _by_shuffling(pipeline: Pipeline, run: RunFolder, winner: str) -> _Explained:
    """By the winner as `train` has fitted it: what a column is worth is seen on rows that a model has not learned."""
    from trainer.evaluation.importance import permutation_importance, ranked

    fitted = load_fitted(run.at("train", winner).result(TrainResult).model_id)
    rows, truth = _sample(pipeline, run, ROWS_FOR_SHUFFLING)
    metric = pipeline.tuning.metric
    problem = problem_of(pipeline.problem)
    lost = permutation_importance(problem, metric, fitted, rows, truth, pipeline.tuning.seed)
    return _Explained("permutation", f"loss in {metric} when shuffled", rows.height, ranked(lost), [])


def _sample(pipeline: Pipeline, run: RunFolder, most: int) -> tuple[pl.DataFrame, pl.Series]:
    """At most so many validation rows and their targets, a seeded choice."""
    import polars as pl

    rows, truth, _ = rows_of(pipeline, run, "validation")
    chosen = pl.int_range(rows.height, eager=True).sample(min(most, rows.height), seed=pipeline.tuning.seed).sort()
    return rows[chosen], truth[chosen]


def _judged(pipeline: Pipeline, run: RunFolder) -> Iterator[Drawing]:
    """Pictures of the answers on the test rows."""
    challenger, production = read_predictions(pipeline, run)
    yield from problem_of(pipeline.problem).drawings(pipeline.columns.target, challenger, production)


def read_predictions(pipeline: Pipeline, run: RunFolder) -> tuple[Predictions, Predictions | None]:
    """The challenger's answers on the test rows, and production's where there is one, as `evaluate` kept them."""
    from trainer.tables.parquet import read_table

    table = read_table(run.at("evaluate"), PREDICTIONS)
    theirs = [name for name in table.columns if name.startswith(PRODUCTION)]
    problem, positive = problem_of(pipeline.problem), pipeline.columns.positive
    challenger = problem.predictions(table["truth"], table.drop(theirs), positive)
    if not theirs:
        return challenger, None
    rival = table.select(theirs).rename(lambda name: name.removeprefix(PRODUCTION))
    return challenger, problem.predictions(table["truth"], rival, positive)


def _log(run_id: str, run: RunFolder, result: ExplainResult) -> None:
    """Keep every file of the step in the parent MLflow run."""
    from trainer.registry.tracking import connect

    client = connect()
    names = [IMPORTANCE, *(f"{plot.name}.{kind}" for plot in result.plots for kind in ("png", "svg"))]
    for name in names:
        with run.local(name) as file:
            client.log_artifact(run_id, str(file), PLOTS)
