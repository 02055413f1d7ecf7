"""The model that is registered, loaded as MLflow loads it, beside its bare estimator."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bench.commands import PROJECT
from bench.figure import Figure
from bench.timing import alternate
from trainer.errors import TrainerError
from trainer.problems import problem_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import polars as pl

    from trainer.inference.fitted import FittedPipeline
    from trainer.pipeline import TabularPipeline

ALGORITHM = "xgboost"
"""The pipeline's first algorithm; the bare estimators of the others have not been timed."""
MANY, CALLS, REPEATS = 10_000, 300, 31
LONGEST_MS = 5.0
GOAL = 2.0


@dataclass(frozen=True)
class Sides:
    """The loaded model, and what it was saved from, with rows that neither has seen."""

    model: Any
    fitted: FittedPipeline
    rows: pl.DataFrame


def prediction() -> list[Figure]:
    """One row on the clock, and many against the estimator that gets the numbers ready made.

    Raises TrainerError if the loaded model answers otherwise than its estimator.
    """
    with tempfile.TemporaryDirectory() as folder:
        sides = _sides(Path(folder))
    asked = sides.rows.to_pandas()
    numbers = sides.fitted.preparation.transform(sides.rows)
    _refuse_other_answers(sides, asked, numbers)
    one = asked.head(1)
    value, reference = sides.model.predict, sides.fitted.estimator.predict_proba
    with garbage_kept():
        milliseconds = 1000 * statistics.median(_seconds(value, one) for _ in range(CALLS))
        pair = alternate(partial(_seconds, value, asked), partial(_seconds, reference, numbers), REPEATS)
    what = f"the churn pipeline's {ALGORITHM}, saved as its steps save it and loaded by mlflow.pyfunc.load_model"
    first = f"{what}, answers one row of a pandas frame: median of {CALLS} calls, against {LONGEST_MS:g} ms"
    second = (
        f"{what}, answers {MANY:,} raw rows of a pandas frame, against the bare estimator's predict_proba on the same "
        f"rows as the floats it takes, on its one thread; median of {REPEATS} pairs"
    )
    many = (1000 * pair.value, 1000 * pair.reference)
    return [
        Figure("predict_one_row", milliseconds, LONGEST_MS, 1.0, "lower", "ms", first),
        Figure("predict_ten_thousand_rows", *many, GOAL, "lower", "ms", second),
    ]


def _sides(folder: Path) -> Sides:
    from trainer.pipeline import load_pipeline

    pipeline = cast("TabularPipeline", load_pipeline(PROJECT / "include" / "pipelines" / "churn.yaml"))
    fitted, training = fitted_churn(pipeline)
    return Sides(loaded(fitted, training, folder), fitted, _rows(pipeline, MANY, seed=7).select(training.columns))


def loaded(fitted: FittedPipeline, training: pl.DataFrame, folder: Path) -> Any:
    """A fitted pipeline saved as steps save it, and loaded as MLflow loads it."""
    import mlflow

    return mlflow.pyfunc.load_model(saved(fitted, training, folder))


def saved(fitted: FittedPipeline, training: pl.DataFrame, folder: Path) -> str:
    """The folder of a fitted pipeline saved as steps save it, somewhere below another folder."""
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    try:
        return str(mlflow.artifacts.download_artifacts(_save(fitted, training, folder)))
    finally:
        mlflow.set_tracking_uri(before)


def fitted_churn(pipeline: TabularPipeline) -> tuple[FittedPipeline, pl.DataFrame]:
    """The pipeline's model with the parameters of its file, and the inputs that it was fitted on."""
    from trainer.environment import cores
    from trainer.tables.row_keys import row_keys
    from trainer.tables.splits import split_rows
    from trainer.tables.training_table import TrainingTable
    from trainer.training.fitting import fit_pipeline

    table = _rows(pipeline, None, seed=42)
    parts, _ = split_rows(pipeline.split, row_keys(table, None))
    target = table[pipeline.columns.target]
    inputs = table.drop(pipeline.columns.not_inputs)
    whole = TrainingTable(inputs.lazy(), target, parts)
    fitted = fit_pipeline(
        problem_of(pipeline.problem),
        pipeline.algorithms[ALGORITHM],
        pipeline.features,
        pipeline.preprocess,
        pipeline.columns.positive,
        training=(whole.rows("train"), whole.targets_of("train")),
        validation=(whole.rows("validation"), whole.targets_of("validation")),
        seed=pipeline.tuning.seed,
        threads=cores(),
    )
    return fitted, whole.rows("train").collect()


def _rows(pipeline: TabularPipeline, rows: int | None, seed: int) -> pl.DataFrame:
    """Rows of the built-in sample, read as the pipeline reads them; without a number as many as are published."""
    from trainer.pipeline import SampleSource
    from trainer.sources.readers import read_source

    source = pipeline.source
    own = {"missing": source.missing, "rename": source.rename, "types": source.types}
    return read_source(SampleSource.model_validate({"sample": "telco", "rows": rows, "seed": seed, **own}))[0]


def _save(fitted: FittedPipeline, training: pl.DataFrame, folder: Path) -> str:
    import mlflow

    from trainer.registry.savers import PyFuncSaver
    from trainer.registry.signers import SchemaSigner

    experiment = mlflow.create_experiment("bench", artifact_location=(folder / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment):
        signature = SchemaSigner().sign(training, fitted.predict(training))
        return str(PyFuncSaver().save(fitted, signature, training, {}).model_uri)


def _refuse_other_answers(sides: Sides, asked: pd.DataFrame, numbers: Any) -> None:
    code = sides.fitted.classes.index(sides.fitted.positive)
    answered = sides.model.predict(asked)["probability"].to_numpy()
    expected = sides.fitted.estimator.predict_proba(numbers)[:, code]
    if not (answered == expected).all():
        raise TrainerError(f"{(answered != expected).sum()} of {len(asked)} probabilities differ from the estimator's")


@contextmanager
def garbage_kept() -> Iterator[None]:
    """One call after the other, as a server makes them: to collect garbage before each one empties the caches."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _seconds(predict: Any, rows: Any) -> float:
    began = time.perf_counter()
    predict(rows)
    return time.perf_counter() - began
