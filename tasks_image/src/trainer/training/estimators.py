"""Estimators: an algorithm fitted on rows, by the library that its KIND names."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from trainer.errors import LESS_MEMORY, ConfigurationError, ModelTrainingError
from trainer.training.libraries import library_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.pipeline import AnyAlgorithm, EarlyStopping
    from trainer.problems import Problem
    from trainer.training.learning_curve import TrainingCurve
    from trainer.training.training_rows import TrainingRows


def fit_estimator(  # noqa: PLR0913
    algorithm: AnyAlgorithm,
    rows: TrainingRows,
    problem: Problem,
    *,
    seed: int,
    threads: int,
    early_stopping: EarlyStopping | None = None,
    groups: pl.Series | None = None,
) -> Any:
    """Return a fitted estimator with scikit-learn's `predict`.

    With `early_stopping`, boosting stops when a share held out of these very rows stops improving; with `groups` (n,),
    it is a share of the groups.
    Raises ConfigurationError if a parameter is not accepted, ModelTrainingError if fitting fails.
    """
    library = library_of(algorithm)
    estimator = library.build(algorithm, problem, seed, threads)
    if early_stopping is not None and not library.stops_early:
        raise ConfigurationError(
            f"tuning.early_stopping: {type(estimator).__name__} is not boosted round by round; only the kinds "
            "xgboost and lightgbm can stop early"
        )
    with _training_errors(estimator):
        if early_stopping is None:
            return library.prepare_for_serving(algorithm, library.fit(estimator, rows))
        kept, held_out = _hold_out(rows, problem, seed, early_stopping, groups)
        fitted = library.fit_until_flat(estimator, kept, held_out, early_stopping.rounds)
        return library.prepare_for_serving(algorithm, fitted)


def fit_with_curve(
    algorithm: AnyAlgorithm, rows: TrainingRows, problem: Problem, curve: TrainingCurve, *, seed: int, threads: int
) -> Any:
    """Return the estimator of `fit_estimator`, and fill its curve: boosting every few rounds, others one point."""
    library = library_of(algorithm)
    estimator = library.build(algorithm, problem, seed, threads)
    with _training_errors(estimator):
        return library.prepare_for_serving(algorithm, library.fit_with_curve(estimator, rows, curve))


def boosting_rounds(estimator: Any) -> int | None:
    """Return the rounds after which early stopping stopped, or None for an estimator that did not stop early."""
    if (stopped := getattr(estimator, "best_iteration_", None)) is not None:
        return int(stopped) or None
    last = getattr(estimator, "best_iteration", None)
    return None if last is None else int(last) + 1


@contextlib.contextmanager
def _training_errors(estimator: Any) -> Iterator[None]:
    """Raise ModelTrainingError with the library's message if a fit in the block fails."""
    name = type(estimator).__name__
    try:
        yield
    except MemoryError as error:
        raise ModelTrainingError(f"{name}: memory ran out; {LESS_MEMORY}") from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelTrainingError(f"{name} could not be fitted: {error}") from error


def _hold_out(
    rows: TrainingRows, problem: Problem, seed: int, rule: EarlyStopping, groups: pl.Series | None
) -> tuple[TrainingRows, TrainingRows]:
    import numpy as np
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    if groups is not None:
        by_group = GroupShuffleSplit(1, test_size=rule.holdout, random_state=seed)
        kept, held = next(by_group.split(rows.targets, groups=groups.rank("dense").to_numpy()))
        return rows.some(kept), rows.some(held)
    stratify = rows.targets if problem.has_classes else None
    kept, held = train_test_split(
        np.arange(len(rows.targets)), test_size=rule.holdout, random_state=seed, stratify=stratify
    )
    return rows.some(kept), rows.some(held)
