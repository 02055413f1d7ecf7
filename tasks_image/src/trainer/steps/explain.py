"""Say what the challenger's answers rest on, and draw how good they are."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.modalities import modality_of
from trainer.problems import problem_of
from trainer.run.records import EvaluateResult, ExplainResult, StartResult
from trainer.tables.handover import PREDICTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import Pipeline
    from trainer.plots.drawing import Drawing
    from trainer.problems.predictions import Predictions
    from trainer.run import RunFolder

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
    with style():
        explained = modality_of(pipeline).explain(pipeline, run, evaluation)
        drawings = [*explained.drawings, *_judged(pipeline, run)]
        plots = [keep(run, one) for one in drawings]
    for one in explained.importance[:3]:
        logger.info("%s counts: %s %.4g, %.0f %%", evaluation.winner, one.column, one.value, 100 * one.share)
    whole = {"method": explained.method, "why": explained.why, "unit": explained.unit, "rows": explained.rows}
    run.write_json(IMPORTANCE, {**whole, "columns": [one.model_dump() for one in explained.importance]})
    result = ExplainResult(
        method=explained.method,
        why=explained.why,
        unit=explained.unit,
        rows=explained.rows,
        importance=explained.importance[:FIRST_COLUMNS],
        plots=plots,
        files=[run.write_text(name, content) for name, content in explained.files.items()],
    )
    _log(start.run_id, run, result, [*explained.files])
    return result


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


def _log(run_id: str, run: RunFolder, result: ExplainResult, files: list[str]) -> None:
    """Keep every file of the step in the parent MLflow run."""
    from trainer.registry.tracking import connect

    client = connect()
    names = [IMPORTANCE, *files, *(f"{plot.name}.{kind}" for plot in result.plots for kind in ("png", "svg"))]
    for name in names:
        with run.local(name) as file:
            client.log_artifact(run_id, str(file), PLOTS)
