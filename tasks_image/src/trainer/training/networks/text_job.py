"""The job of texts: a language model, trained epoch by epoch."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from functools import partial
from typing import TYPE_CHECKING

from trainer.inference.texts import FittedLanguageModel, TextPreparation
from trainer.pipeline.texts import PretrainedParams, ScratchParams, Texts
from trainer.training.networks.network_job import NetworkJob

if TYPE_CHECKING:
    import polars as pl

    from trainer.tables.row_subset import ChosenRows
    from trainer.tables.training_table import SplitPart, TrainingTable
    from trainer.training.networks.language_models import Beginning
    from trainer.training.networks.loop import EpochEnd, Progress

logger = logging.getLogger(__name__)

SECONDS_PER_MINUTE = 60
MOST_SCORED = 100
"""Training texts that are scored to be set beside the validation texts."""


class TextJob(NetworkJob):
    """Trains a language model on texts."""

    text: Texts
    model: ScratchParams | PretrainedParams

    @property
    def epoch_params(self) -> ScratchParams | PretrainedParams:
        return self.model

    def taken(self, inputs: pl.LazyFrame) -> pl.LazyFrame:
        return inputs.select(self.text.column)

    def fit(self, table: TrainingTable) -> FittedLanguageModel:
        """Train on the training texts; each epoch is logged, with its figures on the validation texts."""
        from trainer.training.networks.language_models import beginning
        from trainer.training.networks.text_training import TextTraining

        preparation = TextPreparation(self.text.column)
        texts = self._texts(table, "train", preparation)
        made = beginning(self.model, texts, self.seed)
        learned, aside = (_tokens(made, some) for some in (texts, self._texts(table, "validation", preparation)))
        self._log_beginning(made, learned)
        rows = hashlib.sha256(json.dumps(learned).encode()).hexdigest()
        checkpoints = self.checkpoints({"config": made.config, "rows": rows})
        plan = partial(TextTraining, made, learned, self.model, self.seed, checkpoints)
        return FittedLanguageModel(preparation, self.trained(plan, aside))

    def scored(self, table: TrainingTable, part: SplitPart) -> ChosenRows:
        """All texts, but of the training texts beside others a seeded choice: each takes a third of its training."""
        import numpy as np

        rows = table.rows(part)
        if part != "train" or self.score_parts == ("train",) or rows.height <= MOST_SCORED:
            return rows
        logger.info("of the %d training texts %d are scored", rows.height, MOST_SCORED)
        return rows.among(np.random.default_rng(self.seed).choice(rows.height, MOST_SCORED, replace=False))

    def _texts(self, table: TrainingTable, part: SplitPart, preparation: TextPreparation) -> list[str]:
        return preparation.transform(table.rows(part).collect())

    def _log_beginning(self, made: Beginning, learned: list[list[int]]) -> None:
        import mlflow

        weights, tokens = sum(one.numel() for one in made.network.parameters()), sum(map(len, learned))
        logger.info(
            "%s: %d weights, %d tokens in the vocabulary; %d tokens to learn from, in blocks of %d; texts are scored "
            "in windows of %d tokens, %d apart",
            self.run_config.name, weights, made.tokenizer.get_vocab_size(), tokens, self.model.block_length,
            self.model.block_length, self.model.window_stride,
        )  # fmt: skip
        mlflow.log_params({
            "weights": weights, "vocabulary_size": made.tokenizer.get_vocab_size(), "training_tokens": tokens,
            "window_stride": self.model.window_stride,
        })  # fmt: skip

    def log_progress(self, progress: Progress) -> None:
        import mlflow

        logger.info(
            "%s, %s: step %d of %d, loss %.4f, %.0f tokens per second, %.1f minutes left",
            self.run_config.name, self.device, progress.step, progress.steps, progress.loss,
            progress.tokens_per_second, progress.seconds_left / SECONDS_PER_MINUTE,
        )  # fmt: skip
        figures = {"running_loss": progress.loss, "tokens_per_second": progress.tokens_per_second}
        mlflow.log_metrics(figures, step=progress.step)

    def log_epoch(self, end: EpochEnd) -> None:
        import mlflow

        from trainer.registry.tracking import log_training_metrics

        name = f"{self.run_config.name}, {self.device}, epoch {end.epoch}/{self.model.epochs}"
        losses = {"train": end.train_loss, "validation": end.validation_loss}
        perplexities = {part: _perplexity(loss) for part, loss in losses.items() if loss is not None}
        shown = "; ".join(f"{part} loss {losses[part]:.4f}, perplexity {one:.1f}" for part, one in perplexities.items())
        logger.info("%s: %s; %.1f s", name, shown, end.seconds)
        figures = {f"{part}_epoch_perplexity": value for part, value in perplexities.items()}
        mlflow.log_metrics({**figures, "epoch_seconds": end.seconds}, step=end.epoch)
        log_training_metrics(self.run_config.name, end.epoch, end.train_loss, end.validation_loss)


def _tokens(made: Beginning, texts: list[str]) -> list[list[int]]:
    """The tokens of each text."""
    return [one.ids for one in made.tokenizer.encode_batch(texts, add_special_tokens=False)]


def _perplexity(loss: float) -> float:
    """Exp of the loss; infinite where no number is as large."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf
