"""The objective of a search over language models."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.inference.texts import FittedLanguageModel, TextPreparation
from trainer.pipeline import TextPipeline
from trainer.pipeline.texts import LanguageModelParams
from trainer.tuning.epochs import HOLD_OUT, Epochs, Trial

if TYPE_CHECKING:
    import polars as pl

FEWEST = 2


class TextEpochs(Epochs[TextPipeline]):
    """The training texts of a run."""

    def trial(self, params: dict[str, Any]) -> Trial:
        from trainer.training.networks.language_models import beginning
        from trainer.training.networks.text_training import TextTraining

        seed, preparation = self.pipeline.tuning.seed, TextPreparation(self.pipeline.text.column)
        kept, held = _held_out(self.rows, seed)
        chosen, texts = self._params(params), preparation.transform(kept)
        made = beginning(chosen, texts, seed)
        learned = [one.ids for one in made.tokenizer.encode_batch(texts, add_special_tokens=False)]
        return Trial(TextTraining(made, learned, chosen, seed), held, partial(FittedLanguageModel, preparation))

    def _params(self, params: dict[str, Any]) -> LanguageModelParams:
        found = self.pipeline.algorithms[self.algorithm].params_class.model_validate(params)
        if not isinstance(found, LanguageModelParams):
            raise TypeError(f"{type(found).__name__} are not the parameters of a language model")
        return found


def _held_out(rows: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The texts to learn and a tenth held out. Raises DataValidationError where there are too few."""
    import numpy as np

    aside = round(HOLD_OUT * rows.height)
    if aside < FEWEST:
        raise DataValidationError(
            f"tuning: {HOLD_OUT:.0%} of {rows.height} training texts are fewer than {FEWEST}; use more documents, or "
            "tuning.enabled: false"
        )
    order = np.random.default_rng(seed).permutation(rows.height)
    return rows[np.sort(order[aside:])], rows[np.sort(order[:aside])]
