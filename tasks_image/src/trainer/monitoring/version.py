"""A version that has scored rows: what is on record of it, and its answers to its test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError, StepNotDoneError
from trainer.problems import problem_of
from trainer.registry.versions import Reference
from trainer.run import RunFolder
from trainer.run.records import StartScoringResult
from trainer.tables.handover import KEY, PART, PREDICTIONS

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.problems.predictions import Predictions
    from trainer.run.records import ScoredRun

FITTED_AGAIN = (
    "the version was fitted once more on all rows after it was judged (`refit: everything`), so there are no answers "
    "of this fit to rows that it has not learned from"
)


@dataclass(frozen=True, eq=False)
class WatchedVersion:
    """A version, and the scoring run that has used it last."""

    start: StartScoringResult
    pipeline: Pipeline
    """As the run that made the version has used it."""
    test: pl.DataFrame
    """Key, truth and answers of its test rows."""
    learned: pl.Series
    """The keys of the rows that it was trained or tuned on."""

    @property
    def name(self) -> str:
        """The model and its version."""
        return f"{self.start.model} version {self.start.version}"

    @property
    def reference(self) -> Reference:
        """The snapshot that it was trained on."""
        return _reference(self.start)

    @property
    def is_fitted_again(self) -> bool:
        """True if its test rows were answered by another fit."""
        return self.pipeline.refit == "everything"

    @property
    def judged(self) -> Predictions:
        """Its answers to test rows beside the truth, by which it was promoted."""
        columns, problem = self.pipeline.columns, problem_of(self.pipeline.problem)
        return problem.predictions(self.test["truth"], self.test, columns.positive)

    def learned_from(self, ids: pl.Series) -> pl.Series:
        """Return which ids (n, each once) are of rows that the version was trained or tuned on."""
        from trainer.tables.row_keys import row_keys

        return row_keys(ids.to_frame(), ids.name).is_in(self.learned.implode())


def watched_version(run: RunFolder, scored: ScoredRun) -> WatchedVersion:
    """Return the version with which a scoring run beside `run` has scored.

    Raises DataValidationError if the run that made it is gone, or it is not on record which ids it has learned from.
    """
    import polars as pl

    from trainer.registry.reference import known_keys
    from trainer.tables.parquet import read_table

    folder = RunFolder.open(f"{run.uri.rpartition('/')[0]}/{scored.key}", run.filesystem)
    start = folder.at("start_scoring").result_or_none(StartScoringResult)
    if start is None:
        raise DataValidationError(f"{folder.uri}: the run folder of this scoring run is gone; start a new run")
    trained = RunFolder.open(start.training_run)
    name = f"{start.model} version {start.version}"
    try:
        pipeline, test = trained.pipeline(), read_table(trained.at("evaluate"), PREDICTIONS)
    except (StepNotDoneError, FileNotFoundError) as error:
        raise DataValidationError(
            f"the run folder {start.training_run}, from which {name} came, is gone, and "
            "with it its snapshot and its figures; bring it back from a backup, or score with another version"
        ) from error
    if pipeline.columns.id is None:
        raise DataValidationError(
            f"{name} was trained without `columns.id`, so it is not known which ids it has learned from; score with a "
            "version that was trained with it"
        )
    learned = known_keys(_reference(start)).filter(pl.col(PART) != "test")[KEY]
    return WatchedVersion(start, pipeline, test, learned)


def _reference(start: StartScoringResult) -> Reference:
    return Reference(
        start.version, start.snapshot, start.snapshot_digest, start.keys, start.keys_digest, role="monitoring"
    )
