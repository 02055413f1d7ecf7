"""The objective of a search over networks of images."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.inference.fitted import FittedPipeline
from trainer.inference.images import ImagePreparation
from trainer.pipeline import ImagePipeline
from trainer.pipeline.images import NetworkParams
from trainer.problems import problem_of
from trainer.tuning.epochs import HOLD_OUT, Epochs, Trial

if TYPE_CHECKING:
    import numpy as np


class ImageEpochs(Epochs[ImagePipeline]):
    """The training images of a run."""

    @cached_property
    def _preparation(self) -> ImagePreparation:
        return ImagePreparation.of(self.pipeline.images)

    @cached_property
    def _pixels(self) -> np.ndarray:
        """Of all rows, decoded once for all trials."""
        return self._preparation.transform(self.rows)

    def trial(self, params: dict[str, Any]) -> Trial:
        import numpy as np

        from trainer.training.networks.image_training import ImageTraining, Labelled

        columns, seed, problem = self.pipeline.columns, self.pipeline.tuning.seed, problem_of(self.pipeline.problem)
        targets = self.rows[columns.target]
        classes = problem.classes_of(targets)
        codes = np.array(problem.encode(targets, classes), dtype=np.int64)
        kept, held = _held_out(codes, seed)
        learned = Labelled(self._pixels[kept], codes[kept])
        training = ImageTraining(learned, len(classes), NetworkParams.model_validate(params), seed)
        positive = problem.positive_of(classes, columns.positive)
        return Trial(
            training,
            self.rows[np.sort(held)],
            lambda estimator: FittedPipeline(self._preparation, estimator, classes, positive),
        )


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
