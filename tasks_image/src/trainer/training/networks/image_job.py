"""The job of images: a network, trained epoch by epoch."""

from __future__ import annotations

import hashlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from trainer.inference.fitted import FittedPipeline
from trainer.inference.images import ImagePreparation
from trainer.pipeline.images import Images, NetworkParams
from trainer.problems import problem_of
from trainer.training.networks.network_job import NetworkJob

if TYPE_CHECKING:
    import polars as pl

    from trainer.tables.training_table import SplitPart, TrainingTable
    from trainer.training.networks.image_training import Labelled
    from trainer.training.networks.loop import EpochEnd

logger = logging.getLogger(__name__)


class ImageJob(NetworkJob):
    """Trains a network on images."""

    images: Images
    network: NetworkParams

    @property
    def epoch_params(self) -> NetworkParams:
        return self.network

    def taken(self, inputs: pl.LazyFrame) -> pl.LazyFrame:
        return inputs.select(self.images.column)

    def fit(self, table: TrainingTable) -> FittedPipeline:
        """Train on the training rows; each epoch is logged, with its figures on the validation rows."""
        from trainer.training.networks.image_training import ImageTraining

        problem, preparation = problem_of(self.problem), ImagePreparation.of(self.images)
        targets = table.targets_of("train")
        classes = problem.classes_of(targets)
        learned = self._labelled(table, "train", preparation, classes)
        aside = self._labelled(table, "validation", preparation, classes)
        rows = hashlib.sha256(learned.pixels.tobytes() + learned.codes.tobytes()).hexdigest()
        checkpoints = self.checkpoints({"images": self.images.model_dump(), "rows": rows})
        plan = partial(ImageTraining, learned, len(classes), self.network, self.seed, checkpoints)
        estimator = self.trained(plan, aside)
        fitted = FittedPipeline(preparation, estimator, classes, problem.positive_of(classes, self.positive))
        chosen = table.rows("validation")
        chosen_on = (chosen, table.targets_of("validation")) if chosen.height else None
        return problem.settle(fitted, chosen_on, self.cut_off)

    def _labelled(
        self, table: TrainingTable, part: SplitPart, preparation: ImagePreparation, classes: tuple[Any, ...]
    ) -> Labelled:
        import numpy as np

        from trainer.training.networks.image_training import Labelled

        codes = problem_of(self.problem).encode(table.targets_of(part), classes)
        return Labelled(preparation.transform(table.rows(part).collect()), np.array(codes, dtype=np.int64))

    def log_epoch(self, end: EpochEnd) -> None:
        import mlflow

        from trainer.registry.tracking import log_training_metrics

        name = f"{self.run_config.name}, {self.device}, epoch {end.epoch}/{self.network.epochs}"
        accuracy = end.train_accuracy or 0.0
        aside = "" if end.validation_loss is None else f", validation accuracy {end.validation_accuracy:.2%}"
        logger.info(
            "%s: loss %.4f, accuracy %.2f%%%s, %.1f s",
            name, end.train_loss, 100 * accuracy, aside, end.seconds,
        )  # fmt: skip
        mlflow.log_metrics({"train_accuracy": accuracy, "epoch_seconds": end.seconds}, step=end.epoch)
        log_training_metrics(
            self.run_config.name, end.epoch, end.train_loss, end.validation_loss, end.validation_accuracy
        )
