"""Texts changed on purpose: a language model has to notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.evaluation.behaviour import Changed
from trainer.evaluation.content_changes import drawn

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from trainer.pipeline import Behaviour

MOST_TEXTS = 100
"""A text takes as long to score as thousands of rows of a table."""


def _shuffled_words(text: str, random: np.random.Generator) -> str:
    words = text.split(" ")
    return " ".join(words[place] for place in random.permutation(len(words)))


def _reversed_words(text: str, random: np.random.Generator) -> str:  # noqa: ARG001
    return " ".join(reversed(text.split(" ")))


def _upper_case(text: str, random: np.random.Generator) -> str:  # noqa: ARG001
    return text.upper()


def _without_spaces(text: str, random: np.random.Generator) -> str:  # noqa: ARG001
    return text.replace(" ", "")


CHANGES = {
    "shuffled_words": _shuffled_words,
    "reversed_words": _reversed_words,
    "upper_case": _upper_case,
    "without_spaces": _without_spaces,
}
"""The same words in another order, all letters as capitals, or no spaces."""


def change_texts(behaviour: Behaviour, rows: pl.DataFrame, seed: int) -> Changed:
    """The rows whose texts differ once changed; a seeded draw where there are too many."""
    import numpy as np
    import polars as pl

    ((column, change),) = behaviour.set.items()
    random = np.random.default_rng(seed)
    positions = drawn(rows.height, MOST_TEXTS, random)
    texts = rows[positions][column].to_list()
    changed = [CHANGES[change](text, random) for text in texts]
    differs = np.array([text != other and bool(other) for text, other in zip(texts, changed, strict=True)], dtype=bool)
    some = rows[positions].with_columns(pl.Series(column, changed, dtype=pl.String))
    return Changed(positions[differs], some.filter(pl.Series(differs)))
