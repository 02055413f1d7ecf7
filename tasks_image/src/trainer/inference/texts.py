"""Texts as a language model takes them, and the fitted pipeline that scores and continues them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from trainer.errors import DataValidationError
from trainer.inference.fitted import FittedPipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import polars as pl

EXAMPLES = 5


@dataclass(frozen=True)
class TextPreparation:
    """Takes the texts out of their column."""

    column: str
    constants: ClassVar[Mapping[str, Any]] = {}

    @property
    def inputs(self) -> dict[str, str]:
        """The one column that the model takes."""
        return {self.column: "String"}

    def transform(self, frame: pl.DataFrame) -> list[str]:
        """Texts (n). Raises DataValidationError that names rows without one."""
        if self.column not in frame.columns:
            raise DataValidationError(f"columns missing from the rows to predict: {self.column}")
        texts = frame[self.column].to_list()
        wrong = [place + 1 for place, text in enumerate(texts) if not isinstance(text, str) or not text]
        if wrong:
            shown = ", ".join(f"row {place}" for place in wrong[:EXAMPLES])
            raise DataValidationError(f"{self.column}: {len(wrong)} of {len(texts)} rows have no text: {shown}")
        return texts


@dataclass(frozen=True)
class FittedLanguageModel(FittedPipeline):
    """From texts to their log-likelihoods and, where a caller asks for it, to what could follow them."""

    parameters: ClassVar[Mapping[str, Any]] = {"max_new_tokens": 0, "temperature": 1.0, "seed": 42}

    def answers(self, frame: pl.DataFrame, **given: Any) -> dict[str, np.ndarray]:
        """`prediction`, the log-likelihood (nats) of each text (n,), and `tokens`, the number it was scored by (n,).

        With `max_new_tokens` above 0 also `continuation`, so many tokens at most that follow the text: drawn with a
        `temperature` (0: always the likeliest) from a `seed`. Raises DataValidationError for parameters out of range.
        """
        import numpy as np

        texts = self.preparation.transform(frame)
        asked = {**self.parameters, **given}
        likelihoods, tokens = self.estimator.log_likelihoods(texts)
        found = {"prediction": likelihoods, "tokens": tokens}
        if asked["max_new_tokens"]:
            found["continuation"] = np.array(self.estimator.generate(texts, **asked), dtype=object)
        return found
