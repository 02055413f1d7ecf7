"""The text itself is predicted, token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, ModelRefusedError
from trainer.problems.predictions import Predictions
from trainer.problems.problem import Problem
from trainer.problems.text_figures import TEXT_FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import polars as pl

    from trainer.plots.drawing import Drawing
    from trainer.problems.problem import Array

EXAMPLES = 5
ONLY_TEXTS = "language_modeling: only a pipeline with a section `text` has this problem"


class LanguageModeling(Problem):
    """Each token of a text is predicted from those before it."""

    name = "language_modeling"
    has_classes = False
    figures = TEXT_FIGURES
    usual_metric = "bits_per_byte"
    leak_measure = "bits per byte"
    dimensions = 0

    def check_shape(self, predictions: Predictions) -> None:
        super().check_shape(predictions)
        if predictions.tokens is None:
            raise ModelRefusedError("language_modeling needs the number of tokens of each text")

    def undefined(self, predictions: Predictions) -> set[str]:  # noqa: ARG002  (no text is empty)
        return set()

    def target_mistakes(self, target: pl.Series, positive: Any) -> list[str]:  # noqa: ARG002  (texts have no classes)
        import polars as pl

        where = f"columns.target: {target.name!r}"
        if target.dtype != pl.String:
            return [f"{where} is {target.dtype}, and a language model predicts texts; give it under source.types"]
        empty = (target.str.strip_chars() == "").fill_null(value=False)
        if not empty.any():
            return []
        rows = ", ".join(f"row {index + 1}" for index in empty.arg_true().head(EXAMPLES))
        return [f"{where} is empty in {empty.sum()} of {len(target)} documents, such as {rows}; remove these"]

    def classes_of(self, targets: pl.Series) -> tuple[Any, ...]:  # noqa: ARG002  (texts have none)
        return ()

    def encode(self, targets: pl.Series, classes: tuple[Any, ...]) -> np.ndarray:  # noqa: ARG002
        raise ConfigurationError(ONLY_TEXTS)

    def estimator(self, *, of_numbers: Any, of_classes: Any) -> Any:  # noqa: ARG002
        raise ConfigurationError(ONLY_TEXTS)

    def made_up_targets(self, numbers: Array) -> Array:  # noqa: ARG002
        raise ConfigurationError(ONLY_TEXTS)

    def needed_columns(self, columns: list[str]) -> list[str]:  # noqa: ARG002  (always the same)
        return ["prediction", "tokens"]

    def predictions(self, truth: pl.Series, output: pl.DataFrame, positive: Any) -> Predictions:  # noqa: ARG002
        """The bytes (n,) of the texts as truth, their log-likelihoods (n,), in nats, as predicted."""
        import polars as pl

        absent = [name for name in self.needed_columns(output.columns) if name not in output.columns]
        if absent:
            raise ModelRefusedError(f"the answers lack {', '.join(absent)}; they have {', '.join(output.columns)}")
        sizes = truth.str.len_bytes().cast(pl.Float64).to_numpy()
        likelihoods = output["prediction"].cast(pl.Float64).to_numpy()
        tokens = output["tokens"].cast(pl.Float64).to_numpy()
        if wrong := int((likelihoods > 0).sum() + (tokens < 1).sum()):
            raise ModelRefusedError(f"{wrong} of {len(truth)} texts have a log-likelihood above 0 or no token")
        return Predictions(sizes, likelihoods, None, tokens=tokens)

    def changes(self, before: pl.DataFrame, after: pl.DataFrame) -> tuple[Array, Array]:
        return before.select("prediction").to_numpy(), after.select("prediction").to_numpy()

    def score_alone(self, inputs: Array, targets: Array, *, depth: int, leaf: int, seed: int) -> float:  # noqa: ARG002
        raise ConfigurationError(ONLY_TEXTS)

    def drawings(self, target: str, challenger: Predictions, production: Predictions | None) -> Iterator[Drawing]:
        """Bits per byte of the documents, by their size."""
        from trainer.plots.texts import bits_drawing

        yield bits_drawing(target, challenger, production)
