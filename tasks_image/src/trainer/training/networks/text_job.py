"""The job of texts: a language model, trained epoch by epoch."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from typing import TYPE_CHECKING, Any

from trainer.environment import cores
from trainer.inference.texts import FittedLanguageModel, TextPreparation
from trainer.pipeline.texts import PretrainedParams, ScratchParams, Texts
from trainer.training.job import Job

if TYPE_CHECKING:
    import polars as pl

    from trainer.tables.row_subset import ChosenRows
    from trainer.tables.training_table import SplitPart, TrainingTable
    from trainer.training.networks.checkpoints import Checkpoints
    from trainer.training.networks.language_models import Beginning
    from trainer.training.networks.loop import EpochEnd
    from trainer.training.networks.text_training import Progress

logger = logging.getLogger(__name__)

SECONDS_PER_MINUTE = 60
MOST_SCORED = 100
"""Training texts that are scored to be set beside the validation texts."""


class TextJob(Job):
    """Trains a language model on texts; killed and started again, it goes on from its last checkpoint."""

    text: Texts
    model: ScratchParams | PretrainedParams
    kind: str
    state: str = ""
    """The address of the run folder, which keeps the checkpoints; empty: there are none."""
    part: tuple[str, str] = ("", "")
    """The step and the algorithm whose folder in there it is."""

    @property
    def algorithm(self) -> str:
        return self.kind

    @property
    def params(self) -> dict[str, Any]:
        return self.model.model_dump(mode="json")

    @property
    def device(self) -> str:
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    def taken(self, inputs: pl.LazyFrame) -> pl.LazyFrame:
        return inputs.select(self.text.column)

    def fit(self, table: TrainingTable) -> FittedLanguageModel:
        """Train on the training texts; each epoch is logged, with its figures on the validation texts."""
        import torch

        from trainer.training.networks.language_models import beginning
        from trainer.training.networks.loop import train
        from trainer.training.networks.text_training import TextTraining

        torch.set_num_threads(cores())
        preparation = TextPreparation(self.text.column)
        texts = self._texts(table, "train", preparation)
        made = beginning(self.model, texts, self.seed)
        learned, aside = (_tokens(made, some) for some in (texts, self._texts(table, "validation", preparation)))
        self._log_beginning(made, learned)
        checkpoints = self._checkpoints(made, learned)
        training = TextTraining(made, learned, self.model, self.seed, checkpoints, self._log_progress)
        return FittedLanguageModel(preparation, train(training, aside, self._log_epoch))

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

    def _checkpoints(self, made: Beginning, learned: list[list[int]]) -> Checkpoints | None:
        from trainer.run import RunFolder
        from trainer.training.networks.checkpoints import Checkpoints

        if not self.state:
            return None
        rows = hashlib.sha256(json.dumps(learned).encode()).hexdigest()
        configuration = {"model": self.params, "seed": self.seed, "config": made.config, "rows": rows}
        return Checkpoints.of(RunFolder.open(self.state).at(*self.part), configuration)

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

    def _log_progress(self, progress: Progress) -> None:
        import mlflow

        logger.info(
            "%s, %s: step %d of %d, loss %.4f, %.0f tokens per second, %.1f minutes left",
            self.run_config.name, self.device, progress.step, progress.steps, progress.loss,
            progress.tokens_per_second, progress.seconds_left / SECONDS_PER_MINUTE,
        )  # fmt: skip
        figures = {"running_loss": progress.loss, "tokens_per_second": progress.tokens_per_second}
        mlflow.log_metrics(figures, step=progress.step)

    def _log_epoch(self, end: EpochEnd) -> None:
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
