"""The challengers of a backtest: fitted as runs do, without a search, and kept, so that a second backtest is fast."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import distributions, version
from typing import TYPE_CHECKING, Any, Literal

from trainer import __version__
from trainer.backtest.windows import MICROSECOND
from trainer.environment import cores
from trainer.pipeline import METRICS, TabularPipeline, TimeSplit
from trainer.problems import problem_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from trainer.backtest.windows import Window
    from trainer.inference.fitted import FittedPipeline
    from trainer.run import RunFolder
    from trainer.tables.training_table import TrainingTable

logger = logging.getLogger(__name__)

Refit = Literal["validation", "none"]
REFITS: tuple[Refit, ...] = ("validation", "none")
DETERMINES_A_FIT = ("problem", "columns", "features", "preprocess", "algorithms", "split", "cut_off")
LIBRARIES = {"polars", "scikit-learn", "xgboost", "xgboost-cpu", "lightgbm"}
FIT_FILE = "fit.json"
"""Written last: without it a fit is done again."""


@dataclass(frozen=True, eq=False)
class Fit:
    """The challenger of a window: its answers to all rows that are not older than the window."""

    winner: str
    answers: Mapping[Refit, pl.DataFrame]
    """By `refit`: with it, the winner has learned from validation rows, too. In the order of the rows."""
    cached: bool


def fit_challenger(pipeline: TabularPipeline, data: Data, window: Window, cache: RunFolder) -> Fit:
    """Fit each algorithm with its parameters as they stand, and the winner once more; or read what was kept of that.

    Raises as training does, and DataValidationError if the rows before the window lack a part or a class.
    """
    from trainer.tables.parquet import read_table, write_table

    folder = cache.at(_key(pipeline, data, window))
    try:
        winner = json.loads(folder.read_text(FIT_FILE))["winner"]
        return Fit(winner, {refit: read_table(folder, f"{refit}.parquet") for refit in REFITS}, cached=True)
    except FileNotFoundError:
        logger.info("fitting on the rows before %s", window.begin)
    winner, answers = _fit(pipeline, data, window)
    for refit, table in answers.items():
        write_table(folder, f"{refit}.parquet", table)
    folder.write_json(FIT_FILE, {"winner": winner, "begin": window.begin.isoformat()})
    return Fit(winner, answers, cached=False)


@dataclass(frozen=True, eq=False)
class Data:
    """The rows (n) of a backtest in the order of time, with all raw columns."""

    rows: pl.DataFrame
    times: pl.Series
    digest: str
    source: str


def _key(pipeline: TabularPipeline, data: Data, window: Window) -> str:
    """Return the digest of everything that a fit rests on."""
    said = pipeline.model_dump(mode="json", include={*DETERMINES_A_FIT})
    installed = {name.lower() for found in distributions() if (name := found.metadata["Name"])}
    libraries = {"trainer": __version__, **{name: version(name) for name in LIBRARIES & installed}}
    rests_on = {
        **said, "metric": pipeline.tuning.metric, "seed": pipeline.tuning.seed, "data": data.digest,
        "begin": window.begin.isoformat(), "libraries": libraries, "selected": pipeline.selected_algorithms,
    }  # fmt: skip
    return sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()[:24]


def _fit(pipeline: TabularPipeline, data: Data, window: Window) -> tuple[str, dict[Refit, pl.DataFrame]]:
    table = _table(pipeline, data, window)
    fitted = {name: _fit_one(pipeline, name, table) for name in pipeline.selected_algorithms}
    sign = 1 if METRICS[pipeline.tuning.metric].greater_is_better else -1
    winner = max(fitted, key=lambda name: sign * _validation_score(pipeline, fitted[name], table))
    logger.info("before %s: %s wins", window.begin, winner)
    again = _fit_one(pipeline, winner, _learning_from_both(table), fitted[winner].cut_off)
    asked = table.rows("test")
    models: dict[Refit, FittedPipeline] = {"validation": again, "none": fitted[winner]}
    return winner, {refit: model.predict_in_batches(asked) for refit, model in models.items()}


def _table(pipeline: TabularPipeline, data: Data, window: Window) -> TrainingTable:
    """The rows with their parts: those of the window and later are for testing."""
    from trainer.modalities import modality_of
    from trainer.tables.split_by_time import split_after
    from trainer.tables.training_table import TrainingTable, targets_in

    targets = targets_in(data.rows.lazy(), pipeline.columns.target)
    split = pipeline.split
    by_time = split if isinstance(split, TimeSplit) else TimeSplit(validation=split.validation, test=split.test)
    labels = problem_of(pipeline.problem).labels(targets)
    parts = split_after(by_time, window.begin - MICROSECOND, labels, data.times)
    prepared = modality_of(pipeline).prepare(pipeline, data.rows.lazy(), parts)
    return TrainingTable(data.rows.lazy().select(*prepared.inputs, *prepared.for_features), targets, parts)


def _learning_from_both(table: TrainingTable) -> TrainingTable:
    from trainer.tables.training_table import TrainingTable

    return TrainingTable(table.inputs, table.targets, table.parts.replace({"validation": "train"}))


def _fit_one(
    pipeline: TabularPipeline, name: str, table: TrainingTable, cut_off: float | None = None
) -> FittedPipeline:
    from trainer.training.fitting import fit_pipeline

    training, aside = table.rows("train"), table.rows("validation")
    return fit_pipeline(
        problem_of(pipeline.problem),
        pipeline.algorithms[name],
        pipeline.features,
        pipeline.preprocess,
        pipeline.columns.positive,
        not_inputs=pipeline.columns.not_inputs,
        training=(training, table.targets_of("train")),
        validation=(aside, table.targets_of("validation")) if aside.height else None,
        cut_off=pipeline.cut_off if cut_off is None else cut_off,
        seed=pipeline.tuning.seed,
        threads=cores(),
    )


def _validation_score(pipeline: TabularPipeline, fitted: FittedPipeline, table: TrainingTable) -> float:
    problem, metric = problem_of(pipeline.problem), pipeline.tuning.metric
    output: Any = fitted.predict_in_batches(table.rows("validation"))
    predictions = problem.predictions(table.targets_of("validation"), output, pipeline.columns.positive)
    return problem.score(predictions, [metric])[metric]
