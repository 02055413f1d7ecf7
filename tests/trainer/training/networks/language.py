"""A language model of a few thousand weights, and texts that it learns at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.pipeline.texts import ScratchParams

WORDS = "the a cat dog sat on mat and ran to river over hill by house".split()
PARAMS: dict[str, Any] = {
    "epochs": 2, "lr": 0.01, "batch_size": 4, "layers": 1, "width": 8, "heads": 2, "vocabulary": 280, "block_length": 16,
    "dropout": 0.1,
}  # fmt: skip


def params(**changes: Any) -> ScratchParams:
    return ScratchParams.model_validate({**PARAMS, **changes})


def texts(number: int = 24, seed: int = 1) -> list[str]:
    """Each word is followed by one of two."""
    random, found = np.random.default_rng(seed), []
    for _ in range(number):
        places = np.cumsum(random.integers(1, 3, random.integers(5, 30))) % len(WORDS)
        found.append(" ".join(WORDS[place] for place in places))
    return found
