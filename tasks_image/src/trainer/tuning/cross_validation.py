"""Cross-validation on training rows: everything that is fitted is fitted inside each fold."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.environment import cores
from trainer.errors import DataValidationError
from trainer.inference.fitted import FittedPipeline
from trainer.problems import problem_of
from trainer.run.records import FeaturesResult
from trainer.tables.handover import FEATURES, GROUP, PART, TIME
from trainer.tables.row_subset import ChosenRows, open_table
from trainer.training.class_weights import with_weights_of_codes
from trainer.training.estimators import boosting_rounds, fit_estimator
from trainer.training.libraries import library_of
from trainer.training.per_column import check_per_column
from trainer.training.training_rows import fit_and_prepare
from trainer.tuning.objective import Score

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import polars as pl

    from trainer.inference.fitted import TabularPreparation
    from trainer.pipeline import AnyAlgorithm, EarlyStopping, TabularPipeline, Tuning
    from trainer.run import RunFolder
    from trainer.training.training_rows import TrainingRows


@dataclass(frozen=True)
class Fold:
    """One fold, prepared once for all trials: preparation does not depend on hyperparameters."""

    preparation: TabularPreparation
    train: TrainingRows
    held_out: ChosenRows
    held_out_targets: pl.Series
    classes: tuple[Any, ...]
    groups: pl.Series | None = None
    """The groups (n,) of the rows to learn from, where a split has them."""


@dataclass(frozen=True)
class CrossValidation:
    """Scores an algorithm's parameters on folds of the training rows."""

    pipeline: TabularPipeline
    algorithm: str
    folds: list[Fold]
    rounds_name: str = "n_estimators"

    @property
    def reports(self) -> int:
        """One for each fold."""
        return len(self.folds)

    @property
    def can_stop_early(self) -> bool:
        """Whether the algorithm is boosted round by round."""
        return library_of(self.pipeline.algorithms[self.algorithm]).stops_early

    @property
    def scores_as_given(self) -> bool:
        """Always."""
        return True

    def summary(self, scores: Sequence[Score]) -> tuple[float, float]:
        """Mean and standard deviation over the folds."""
        import numpy as np

        values = [score.value for score in scores]
        return float(np.mean(values)), float(np.std(values))

    def scores(self, params: dict[str, Any], *, stop_early: bool) -> Generator[Score]:
        """The folds' scores for these parameters."""
        tuning = self.pipeline.tuning
        algorithm = self.pipeline.algorithms[self.algorithm].model_copy(update={"params": params})
        stopping = tuning.early_stopping if stop_early else None
        workers = tuning.parallel_folds or min(cores(), tuning.folds)
        return fold_scores(self.folds, algorithm, self.pipeline, workers=workers, early_stopping=stopping)


@contextlib.contextmanager
def cross_validation_of(pipeline: TabularPipeline, run: RunFolder) -> Iterator[CrossValidation]:
    """The folds of the folder's algorithm, on the training rows of its run; they can be read in the block."""
    engineered = run.at("engineer_features")
    made = engineered.result(FeaturesResult)
    with engineered.local(FEATURES) as file:
        chosen = pipeline.algorithms[run.algorithm]
        rows, targets, order = _training_rows(pipeline, file, [*made.inputs, *made.for_features])
        folds = make_folds(pipeline, chosen, rows, targets, **order)
        check_per_column(
            chosen,
            problem_of(pipeline.problem),
            [len(fold.preparation.preprocessor.names) for fold in folds],
            f"algorithms.{run.algorithm}",
        )
        yield CrossValidation(pipeline, run.algorithm, folds)


def _training_rows(
    pipeline: TabularPipeline, file: Path, inputs: list[str]
) -> tuple[ChosenRows, pl.Series, dict[str, pl.Series]]:
    """What models are made from of the training rows, their targets, and the split's `times` or `groups`, if any."""
    table = open_table(file)
    is_training = table.select(PART).collect()[PART] == "train"

    def column(name: str) -> pl.Series:
        return table.select(name).collect()[name].filter(is_training)

    named = {"time": {"times": TIME}, "group": {"groups": GROUP}}.get(pipeline.split.KIND, {})
    order = {name: column(place) for name, place in named.items()}
    return ChosenRows(table.select(inputs), is_training), column(pipeline.columns.target), order


def make_folds(
    pipeline: TabularPipeline,
    algorithm: AnyAlgorithm,
    rows: ChosenRows,
    targets: pl.Series,
    *,
    times: pl.Series | None = None,
    groups: pl.Series | None = None,
) -> list[Fold]:
    """The folds of training rows; `rows` (n, raw inputs), `targets` (n,), and `times` or `groups` (n,) to split by.

    They are prepared as the algorithm needs them.

    They are shuffled, and stratified where there are classes. By time, each holds out the rows that came after those
    that it learns from, and the next one learns from both: an expanding window, scikit-learn's TimeSeriesSplit. Rows of
    a group stay in one fold.
    Raises DataValidationError if a class has fewer rows than there are folds, or is absent from the rows to learn from.
    """
    import numpy as np

    tuning, problem = pipeline.tuning, problem_of(pipeline.problem)
    classes = problem.classes_of(targets)
    codes = problem.encode(targets, classes)
    if classes and (fewest := int(np.bincount(codes).min())) < tuning.folds:
        rare = classes[int(np.bincount(codes).argmin())]
        raise DataValidationError(
            f"target {targets.name!r}: class {rare!r} has {fewest} training rows, fewer than {tuning.folds} folds; "
            "get more rows, or lower `tuning.folds`"
        )
    if times is not None:
        splits = _expanding(tuning, times)
    elif groups is not None:
        splits = _by_group(tuning, codes, groups, stratify=bool(classes))
    else:
        splits = _shuffled(tuning, codes, stratify=bool(classes))
    folds = [_fold(pipeline, algorithm, rows, targets, codes, classes, train, held, groups) for train, held in splits]
    for fold in folds if classes else ():
        if absent := {*range(len(classes))} - {*np.unique(fold.train.targets).tolist()}:
            raise DataValidationError(
                f"target {targets.name!r}: class {classes[min(absent)]!r} is absent from the rows that a fold learns "
                "from; lower `tuning.folds`, or use another split"
            )
    return folds


def _shuffled(tuning: Tuning, codes: np.ndarray, *, stratify: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    import numpy as np
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if stratify else KFold
    yield from kind(tuning.folds, shuffle=True, random_state=tuning.seed).split(np.zeros(len(codes)), codes)


def _by_group(
    tuning: Tuning, codes: np.ndarray, groups: pl.Series, *, stratify: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    import numpy as np
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    if (count := groups.n_unique()) < tuning.folds:
        raise DataValidationError(
            f"split.column: the training rows have {count} groups, too few for {tuning.folds} folds; lower "
            "`tuning.folds`, or get more groups"
        )
    kind = StratifiedGroupKFold if stratify else GroupKFold
    folds = kind(tuning.folds, shuffle=True, random_state=tuning.seed)
    yield from folds.split(np.zeros(len(codes)), codes, groups.rank("dense").to_numpy())


def _expanding(tuning: Tuning, times: pl.Series) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """By moments and not by rows, so that rows of one moment stay together."""
    import numpy as np
    from sklearn.model_selection import TimeSeriesSplit

    moments, moment_of = np.unique(times.to_physical().to_numpy(), return_inverse=True)
    if len(moments) <= tuning.folds:
        raise DataValidationError(
            f"columns.time: the training rows have {len(moments)} different times, too few for {tuning.folds} folds; "
            "lower `tuning.folds`, or use a finer time"
        )
    for learned, held in TimeSeriesSplit(tuning.folds).split(moments):
        yield np.flatnonzero(moment_of <= learned[-1]), np.flatnonzero(np.isin(moment_of, held))


def _fold(  # noqa: PLR0913, PLR0917
    pipeline: TabularPipeline,
    algorithm: AnyAlgorithm,
    rows: ChosenRows,
    targets: pl.Series,
    codes: np.ndarray,
    classes: tuple[Any, ...],
    train: np.ndarray,
    held: np.ndarray,
    groups: pl.Series | None,
) -> Fold:
    learned = rows.among(train)
    not_inputs = pipeline.columns.not_inputs
    preparation, numbers = fit_and_prepare(
        algorithm, pipeline.features, pipeline.preprocess, learned, codes[train], classes, not_inputs, allow_empty=True
    )
    of_learned = None if groups is None else groups[train]
    return Fold(preparation, numbers, rows.among(held), targets[held], classes, of_learned)


def fold_scores(
    folds: list[Fold],
    algorithm: AnyAlgorithm,
    pipeline: TabularPipeline,
    *,
    workers: int,
    early_stopping: EarlyStopping | None,
) -> Generator[Score]:
    """The folds' figures in their order, `workers` folds at a time; stop iterating and the rest is not fitted."""

    def fit_and_score(fold: Fold) -> Score:
        return _fit_and_score(fold, algorithm, pipeline, early_stopping)

    pool = ThreadPoolExecutor(workers)
    try:
        for first in range(0, len(folds), workers):
            yield from pool.map(fit_and_score, folds[first : first + workers])
    finally:
        pool.shutdown(cancel_futures=True)


def _fit_and_score(
    fold: Fold, algorithm: AnyAlgorithm, pipeline: TabularPipeline, early_stopping: EarlyStopping | None
) -> Score:
    problem = problem_of(pipeline.problem)
    estimator = fit_estimator(
        with_weights_of_codes(algorithm, fold.classes),
        fold.train,
        problem,
        seed=pipeline.tuning.seed,
        threads=1,
        early_stopping=early_stopping,
        groups=fold.groups,
    )
    positive = problem.positive_of(fold.classes, pipeline.columns.positive)
    fitted = FittedPipeline(fold.preparation, estimator, fold.classes, positive)
    output = fitted.predict_in_batches(fold.held_out)
    predictions = problem.predictions(fold.held_out_targets, output, positive)
    metric = pipeline.tuning.metric
    return Score(problem.score(predictions, [metric])[metric], boosting_rounds(estimator))
