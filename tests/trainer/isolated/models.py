"""What the tests of isolated scoring share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from trainer.inference.fitted import FittedPipeline

ROWS = pl.DataFrame({
    "n": [1.0, 2.0, None, 4.0, 7.0] * 8,
    "k": [3, 1, 2, 5, 4] * 8,
    "t": ["a", "b", "a", "c", None] * 8,
})
TARGETS = pl.Series("y", ["no", "yes", "no", "yes", "yes"] * 8)


both_ways = pytest.mark.parametrize("way", ["forked", "interpreter"], indirect=True)


@dataclass(frozen=True)
class Logged:
    uri: str
    folder: Path
    """What the model consists of, on disk."""
    fitted: FittedPipeline
