"""Figures of texts by which two sets of them are compared."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from trainer.drift import texts as module
from trainer.drift.texts import compare_words, text_statistics
from trainer.pipeline import Drift
from trainer.sources.samples.articles import generate_articles

STRICT = Drift(psi=1e-6, jensen_shannon=1e-6)
"""Limits that any difference exceeds, so that only chance decides."""


def topics(documents: int, seed: int, words: int = 200) -> pl.LazyFrame:
    """Texts, each of which repeats words of its own: far from independent draws of words."""
    random = np.random.default_rng(seed)
    return pl.LazyFrame({
        "text": [" ".join(f"w{n}" for n in random.choice(random.integers(0, 60, 4), words)) for _ in range(documents)]
    })


def test_statistics_of_a_text() -> None:
    found = text_statistics(pl.LazyFrame({"text": ["Ab 12\né", "..."]}), "text")
    assert found.rows() == [(7.0, 3.0, 3 / 7, 2 / 7), (3.0, 1.0, 0.0, 0.0)]


def test_texts_of_one_kind_have_not_drifted_although_their_words_depend_on_each_other() -> None:
    pairs = [(topics(60, seed), topics(60, seed + 100)) for seed in range(10)]
    found = [compare_words(*pair, "text", STRICT, 42) for pair in pairs]
    assert sum(one.drifted for one in found) == 0
    assert min(one.statistics["jensen_shannon"] for one in found) > 0.1, (
        "words counted as independent would have drifted"
    )


@pytest.mark.parametrize("bundles", [5000, 40], ids=["each document", "bundles of documents"])
def test_other_words_have_drifted(bundles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BUNDLES", bundles)
    before, now, foreign = (
        generate_articles(100, seed, drift).frame.lazy() for seed, drift in ((1, 0), (2, 0), (3, 2))
    )
    assert not compare_words(before, now, "text", Drift(), 42).drifted
    found = compare_words(before, foreign, "text", Drift(), 42)
    assert found.drifted
    assert found.statistics["jensen_shannon"] > found.thresholds["jensen_shannon"] >= 0.1
