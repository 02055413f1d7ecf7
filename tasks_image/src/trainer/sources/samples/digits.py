"""The built-in sample of handwritten digits: those that come with scikit-learn, in the size of MNIST's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.sources.samples.arguments import check_arguments

if TYPE_CHECKING:
    import polars as pl

PUBLISHED_ROWS = 1797
TEST_ROWS = 297
"""Of all rows, the share of the set `t10k`, as in MNIST, about one in six."""
SIZE, SCALE, LEVELS = 28, 3, 16


@dataclass(frozen=True)
class DigitsSample:
    """Digits with their labels."""

    frame: pl.DataFrame


def generate_digits(rows: int, seed: int, drift: float) -> DigitsSample:
    """A seeded choice of scikit-learn's 1,797 digits, each of 8 by 8 pixels drawn threefold and padded to 28 by 28.

    With `drift` all pixels are brighter by so many standard deviations. Raises ConfigurationError for more rows.
    """
    import numpy as np
    import polars as pl
    from sklearn.datasets import load_digits

    check_arguments("digits", rows, seed, drift)
    if rows > PUBLISHED_ROWS:
        raise ConfigurationError(f"the digits sample has {PUBLISHED_ROWS} rows, not {rows}: ask for fewer")
    images, labels = load_digits(return_X_y=True)
    chosen = np.random.default_rng(seed).permutation(PUBLISHED_ROWS)[:rows]
    small = images[chosen].reshape(-1, 8, 8) * (255 / LEVELS)
    brighter = np.clip(small + drift * small.std(), 0, 255)
    margin = (SIZE - 8 * SCALE) // 2
    large = np.kron(brighter, np.ones((1, SCALE, SCALE)))
    padded = np.pad(large, ((0, 0), (margin, margin), (margin, margin))).round().astype(np.uint8)
    is_test = np.arange(rows) >= rows - round(rows * TEST_ROWS / PUBLISHED_ROWS)
    return DigitsSample(
        pl.DataFrame({
            "id": [f"digit-{place:04d}" for place in chosen],
            "set": np.where(is_test, "t10k", "train").tolist(),
            "image": pl.Series([image.tobytes() for image in padded], dtype=pl.Binary),
            "label": pl.Series(labels[chosen], dtype=pl.Int64),
        })
    )
