"""A network's parameters scored after each epoch, on training rows that it does not learn."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from trainer.environment import cores
from trainer.errors import DataValidationError
from trainer.inference.fitted import FittedPipeline
from trainer.inference.images import ImagePreparation
from trainer.pipeline.images import NetworkParams
from trainer.problems import problem_of
from trainer.tables.handover import FEATURES, PART
from trainer.tuning.objective import Score

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import numpy as np
    import polars as pl

    from trainer.pipeline import ImagePipeline
    from trainer.run import RunFolder

HOLD_OUT = 0.1


@dataclass(frozen=True, eq=False)
class Epochs:
    """The training rows of a run, of which a tenth is held out."""

    pipeline: ImagePipeline
    algorithm: str
    rows: pl.DataFrame
    can_stop_early: bool = False
    rounds_name: str = "epochs"

    @property
    def reports(self) -> int:
        """One for each epoch, as the pipeline says."""
        return NetworkParams.model_validate(self.pipeline.algorithms[self.algorithm].params).epochs

    @property
    def scores_as_given(self) -> bool:
        """Never: it would take as long as the training that follows."""
        return False

    def summary(self, scores: Sequence[Score]) -> tuple[float, float]:
        """The figure after the last epoch."""
        return scores[-1].value, 0.0

    @cached_property
    def _pixels(self) -> np.ndarray:
        """Of all rows, decoded once for all trials."""
        return ImagePreparation.of(self.pipeline.images).transform(self.rows)

    def scores(self, params: dict[str, Any], *, stop_early: bool) -> Generator[Score]:  # noqa: ARG002  (never asked for)
        """The figure on the rows held out, after each epoch."""
        import numpy as np
        import torch

        from trainer.training.networks.image_training import ImageTraining, Labelled

        torch.set_num_threads(cores())
        pipeline, problem = self.pipeline, problem_of(self.pipeline.problem)
        targets, preparation = self.rows[pipeline.columns.target], ImagePreparation.of(pipeline.images)
        classes = problem.classes_of(targets)
        codes = np.array(problem.encode(targets, classes), dtype=np.int64)
        seed = pipeline.tuning.seed
        kept, held = _held_out(codes, seed)
        pixels = self._pixels
        training = ImageTraining(
            Labelled(pixels[kept], codes[kept]), len(classes), NetworkParams.model_validate(params), seed
        )
        positive = problem.positive_of(classes, pipeline.columns.positive)
        aside, truth, metric = self.rows[np.sort(held)], targets[np.sort(held)], pipeline.tuning.metric
        for _ in training.epochs(None):
            fitted = FittedPipeline(preparation, training.estimator(), classes, positive)
            predictions = problem.predictions(truth, fitted.predict(aside), positive)
            yield Score(problem.score(predictions, [metric])[metric], None)


def _held_out(codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the rows to learn and of a tenth held out, in which each class (n,) has its share.

    Raises DataValidationError if a class has too few rows for that.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    try:
        kept, held = train_test_split(np.arange(len(codes)), test_size=HOLD_OUT, random_state=seed, stratify=codes)
    except ValueError as error:
        raise DataValidationError(
            f"tuning: {HOLD_OUT:.0%} of {len(codes):,} training rows cannot be held out, with each of the "
            f"{len(np.unique(codes))} classes in them: {error}; use more rows, or tuning.enabled: false"
        ) from error
    return kept, held


@contextlib.contextmanager
def epochs_of(pipeline: ImagePipeline, run: RunFolder) -> Iterator[Epochs]:
    """The objective of the folder's algorithm, on the training rows of its run."""
    import polars as pl

    with run.at("engineer_features").local(FEATURES) as file:
        rows = pl.scan_parquet(file).filter(pl.col(PART) == "train").collect()
    yield Epochs(pipeline, run.algorithm, rows)
