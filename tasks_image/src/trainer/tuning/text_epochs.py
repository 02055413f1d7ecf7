"""A language model's parameters scored after each epoch, on training texts that it does not learn."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.environment import cores
from trainer.errors import DataValidationError
from trainer.inference.texts import FittedLanguageModel, TextPreparation
from trainer.pipeline.texts import LanguageModelParams
from trainer.problems import problem_of
from trainer.tables.handover import FEATURES, PART
from trainer.tuning.objective import Score

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import polars as pl

    from trainer.pipeline import TextPipeline
    from trainer.run import RunFolder

HOLD_OUT = 0.1
FEWEST = 2


@dataclass(frozen=True, eq=False)
class TextEpochs:
    """The training texts of a run, of which a tenth is held out."""

    pipeline: TextPipeline
    algorithm: str
    rows: pl.DataFrame
    can_stop_early: bool = False
    rounds_name: str = "epochs"

    @property
    def reports(self) -> int:
        """One for each epoch, as the pipeline says."""
        return self._params(self.pipeline.algorithms[self.algorithm].params).epochs

    @property
    def scores_as_given(self) -> bool:
        """Never: it would take as long as the training that follows."""
        return False

    def summary(self, scores: Sequence[Score]) -> tuple[float, float]:
        """The figure after the last epoch."""
        return scores[-1].value, 0.0

    def scores(self, params: dict[str, Any], *, stop_early: bool) -> Generator[Score]:  # noqa: ARG002  (never asked for)
        """The figure on the texts held out, after each epoch."""
        import torch

        from trainer.training.networks.language_models import beginning
        from trainer.training.networks.text_training import TextTraining

        torch.set_num_threads(cores())
        problem, seed = problem_of(self.pipeline.problem), self.pipeline.tuning.seed
        preparation, metric = TextPreparation(self.pipeline.text.column), self.pipeline.tuning.metric
        kept, held = _held_out(self.rows, seed)
        chosen, texts = self._params(params), preparation.transform(kept)
        made = beginning(chosen, texts, seed)
        learned = [one.ids for one in made.tokenizer.encode_batch(texts, add_special_tokens=False)]
        training = TextTraining(made, learned, chosen, seed)
        for _ in training.epochs(None):
            output = FittedLanguageModel(preparation, training.estimator()).predict(held)
            predictions = problem.predictions(held[self.pipeline.columns.target], output, None)
            yield Score(problem.score(predictions, [metric])[metric], None)

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


@contextlib.contextmanager
def text_epochs_of(pipeline: TextPipeline, run: RunFolder) -> Iterator[TextEpochs]:
    """The objective of the folder's algorithm, on the training texts of its run."""
    import polars as pl

    with run.at("engineer_features").local(FEATURES) as file:
        rows = pl.scan_parquet(file).filter(pl.col(PART) == "train").collect()
    yield TextEpochs(pipeline, run.algorithm, rows)
