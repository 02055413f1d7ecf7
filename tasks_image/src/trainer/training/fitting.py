"""Fitting a whole pipeline on training rows, and its cut-off on validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.inference.fitted import FittedPipeline, fit_preparation
from trainer.inference.labels import find_class
from trainer.training.learning_curve import TrainingCurve
from trainer.training.training_rows import training_rows

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    import polars as pl

    from trainer.pipeline import Features, Preprocess
    from trainer.tables.row_subset import ChosenRows
    from trainer.training.estimators import Model
    from trainer.training.learning_curve import LogPoint


def fit_pipeline(  # noqa: PLR0913
    problem: str,
    model: Model,
    features: Features,
    preprocess: Preprocess,
    positive: Any,
    *,
    not_inputs: Collection[str] = (),
    training: tuple[ChosenRows, pl.Series],
    validation: tuple[ChosenRows, pl.Series] | None,
    cut_off: float | None = None,
    seed: int,
    threads: int,
    log_point: LogPoint | None = None,
) -> FittedPipeline:
    """Everything fitted on the training rows; for two classes, the cut-off with the best F1 on the validation rows.

    Columns of the rows that are `not_inputs` are only for expressions. `log_point` gets the losses while the model
    is fitted. Without validation rows there are none, and the cut-off has to be given.
    Raises DataValidationError where it is not, or where a class does not occur in the training rows.
    """
    rows, targets = training
    preparation = fit_preparation(features, preprocess, rows.lazy(), not_inputs)
    classes = classes_of(problem, targets)
    prepared = training_rows(preparation, rows, encode(problem, targets, classes))
    if log_point is None or validation is None:
        estimator = model.fit(prepared, problem, seed=seed, threads=threads)
    else:
        aside = training_rows(preparation, validation[0], encode(problem, validation[1], classes))
        curve = TrainingCurve(prepared, aside, classes=bool(classes), log=log_point)
        estimator = model.fit_followed(prepared, problem, curve, seed=seed, threads=threads)
    fitted = FittedPipeline(preparation, estimator, classes, positive_class(classes, positive))
    if problem != "binary_classification":
        return fitted
    chosen = _cut_off(fitted, validation) if cut_off is None else cut_off
    return FittedPipeline(preparation, estimator, classes, fitted.positive, chosen)


def classes_of(problem: str, targets: pl.Series) -> tuple[Any, ...]:
    """The target's values in sorted order; empty for regression."""
    return () if problem == "regression" else tuple(targets.unique().sort().to_list())


def encode(problem: str, targets: pl.Series, classes: tuple[Any, ...]) -> np.ndarray:
    """Targets (n,) as class codes in the order of `classes`, or as floats for regression."""
    import polars as pl

    if problem == "regression":
        return targets.cast(pl.Float64).to_numpy()
    codes = {value: code for code, value in enumerate(classes)}
    unknown = targets.filter(~targets.is_in(list(classes))).unique().to_list()
    if unknown:
        raise DataValidationError(f"target {targets.name!r}: classes {unknown[:5]} do not occur in the training rows")
    return targets.replace_strict(codes, return_dtype=pl.Int64).to_numpy()


def positive_class(classes: tuple[Any, ...], positive: Any) -> Any:
    """The one of the classes that is written like `positive`; None where no class is positive."""
    if positive is None:
        return None
    found = find_class(classes, positive)
    if found is None:
        raise DataValidationError(f"columns.positive: {positive!r} is none of the target's values {list(classes)}")
    return found


def _cut_off(fitted: FittedPipeline, validation: tuple[ChosenRows, pl.Series] | None) -> float:
    from trainer.evaluation.scores import best_f1_cut_off

    if validation is None:
        raise DataValidationError("there are no validation rows to choose the cut-off on; set some aside, or give one")
    rows, targets = validation
    is_positive = (targets == fitted.positive).to_numpy()
    return best_f1_cut_off(is_positive, fitted.predict_in_batches(rows)["probability"].to_numpy())
