"""A network's parameters scored after each epoch, on training rows that it does not learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from trainer.environment import cores
from trainer.pipeline.networks import NetworkPipeline
from trainer.problems import problem_of
from trainer.tables.handover import FEATURES, PART
from trainer.tuning.objective import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import polars as pl

    from trainer.inference.fitted import FittedPipeline
    from trainer.run import RunFolder
    from trainer.training.networks.loop import NetworkTraining

HOLD_OUT = 0.1
P = TypeVar("P", bound=NetworkPipeline)


class Trial(NamedTuple):
    """The training of one trial."""

    training: NetworkTraining[Any]
    held: pl.DataFrame
    """The rows that are held out."""
    fitted: Callable[[Any], FittedPipeline]
    """Puts an estimator behind the preparation of rows."""


@dataclass(frozen=True, eq=False)
class Epochs(ABC, Generic[P]):
    """The training rows of a run, of which a tenth is held out."""

    pipeline: P
    algorithm: str
    rows: pl.DataFrame
    can_stop_early: bool = False
    rounds_name: str = "epochs"

    @abstractmethod
    def trial(self, params: dict[str, Any]) -> Trial:
        """Begin a training with these parameters. Raises DataValidationError if too few rows can be held out."""

    @property
    def reports(self) -> int:
        """One for each epoch, as the pipeline says."""
        algorithm = self.pipeline.algorithms[self.algorithm]
        return algorithm.params_class.model_validate(algorithm.params).epochs

    @property
    def scores_as_given(self) -> bool:
        """Never: it would take as long as the training that follows."""
        return False

    def summary(self, scores: Sequence[Score]) -> tuple[float, float]:
        """The metric after the last epoch."""
        return scores[-1].value, 0.0

    def scores(self, params: dict[str, Any], *, stop_early: bool) -> Generator[Score]:  # noqa: ARG002  (never asked for)
        """The metric on the rows held out, after each epoch."""
        import torch

        torch.set_num_threads(cores())
        problem, metric = problem_of(self.pipeline.problem), self.pipeline.tuning.metric
        training, held, fitted_with = self.trial(params)
        truth = held[self.pipeline.columns.target]
        for _ in training.epochs(None):
            fitted = fitted_with(training.estimator())
            predictions = problem.predictions(truth, fitted.predict(held), fitted.positive)
            yield Score(problem.score(predictions, [metric])[metric], None)


def training_rows_of(run: RunFolder) -> pl.DataFrame:
    """Return the training rows of a run."""
    import polars as pl

    with run.at("engineer_features").local(FEATURES) as file:
        return pl.scan_parquet(file).filter(pl.col(PART) == "train").collect()
