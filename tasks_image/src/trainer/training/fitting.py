"""Fitting a whole pipeline on training rows, and its cut-off on validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.inference.fitted import FittedPipeline
from trainer.training.class_weights import with_weights_of_codes
from trainer.training.estimators import fit_estimator, fit_with_curve
from trainer.training.learning_curve import TrainingCurve
from trainer.training.training_rows import fit_and_prepare, training_rows

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from trainer.pipeline import AnyAlgorithm, CutOff, Features, Preprocess
    from trainer.problems import Problem
    from trainer.tables.row_subset import ChosenRows
    from trainer.training.learning_curve import LogPoint


def fit_pipeline(  # noqa: PLR0913
    problem: Problem,
    algorithm: AnyAlgorithm,
    features: Features,
    preprocess: Preprocess,
    positive: Any,
    *,
    not_inputs: Collection[str] = (),
    training: tuple[ChosenRows, pl.Series],
    validation: tuple[ChosenRows, pl.Series] | None,
    cut_off: float | CutOff | None = None,
    seed: int,
    threads: int,
    log_point: LogPoint | None = None,
) -> FittedPipeline:
    """Everything fitted on the training rows; for two classes, with the cut-off that is given or chosen.

    `cut_off` is one, or the rule to choose it on the validation rows; without it, the one with the best F1 is chosen.
    Columns of the rows that are `not_inputs` are only for expressions. `log_point` gets the losses while the estimator
    is fitted. Without validation rows there are none, and the cut-off has to be given.
    Raises DataValidationError where it is not, or where a class does not occur in the training rows.
    """
    rows, targets = training
    classes = problem.classes_of(targets)
    codes = problem.encode(targets, classes)
    preparation, prepared = fit_and_prepare(algorithm, features, preprocess, rows, codes, classes, not_inputs)
    algorithm = with_weights_of_codes(algorithm, classes)
    if log_point is None or validation is None:
        estimator = fit_estimator(algorithm, prepared, problem, seed=seed, threads=threads)
    else:
        aside = training_rows(preparation, validation[0], problem.encode(validation[1], classes))
        curve = TrainingCurve(prepared, aside, classes=bool(classes), log=log_point)
        estimator = fit_with_curve(algorithm, prepared, problem, curve, seed=seed, threads=threads)
    fitted = FittedPipeline(preparation, estimator, classes, problem.positive_of(classes, positive))
    return problem.settle(fitted, validation, cut_off)
