"""What travels inside a model of byte strings; it stands apart so that it can be bundled with the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import polars as pl

BYTES = 256


@dataclass(frozen=True)
class Histogram:
    """How often each byte occurs in a byte string, as the preparation of a fitted pipeline."""

    column: str
    constants: ClassVar[dict[str, Any]] = {}

    @property
    def inputs(self) -> dict[str, str]:
        """The one column that the model takes."""
        return {self.column: "Binary"}

    def transform(self, frame: pl.DataFrame) -> np.ndarray:
        """Byte strings (n,) as counts (n, 256)."""
        texts = [np.frombuffer(value, dtype=np.uint8) for value in frame[self.column].to_list()]
        return np.array([np.bincount(text, minlength=BYTES) for text in texts])


@dataclass
class ByteCounts:
    """Naive Bayes over counts of bytes, with `alpha` rows' worth of doubt; learned anew in each epoch."""

    alpha: float
    counts: dict[int, np.ndarray] = field(default_factory=dict)

    def fit_epoch(self, numbers: np.ndarray, codes: np.ndarray) -> None:
        """Learn from counts (n, 256) and class codes (n,) once more."""
        for code in np.unique(codes).tolist():
            self.counts[code] = self.counts.get(code, 0) + numbers[codes == code].sum(axis=0)

    def predict_proba(self, numbers: np.ndarray) -> np.ndarray:
        """Probabilities (n, k) of counts (n, 256)."""
        smoothed = [self.counts[code] + self.alpha for code in sorted(self.counts)]
        logs = np.stack([numbers @ np.log(one / one.sum()) for one in smoothed], axis=1)
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        scaled: np.ndarray = shares / shares.sum(axis=1, keepdims=True)
        return scaled

    def get_params(self) -> dict[str, Any]:
        """As an estimator of scikit-learn has them."""
        return {"alpha": self.alpha}
