"""The built-in articles."""

from __future__ import annotations

import re

from trainer.sources.samples.articles import generate_articles


def test_articles_are_drawn_by_their_seed() -> None:
    first, again, other = (generate_articles(200, seed, 0).frame for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    assert dict(first["part"].value_counts().rows()) == {"train": 140, "valid": 30, "test": 30}
    assert first["id"].n_unique() == first["text"].n_unique() == 200
    assert first["text"].str.contains(r"^ = \w+ = \n \n .* \. \n$").all()


def test_drift_brings_words_of_another_language() -> None:
    plain, drifted = (generate_articles(200, 1, drift).frame["text"].str.join(" ")[0] for drift in (0, 3))
    shares = [len(re.findall(r" [a-z]+(?:o|us|wen)\b", text)) / len(text.split()) for text in (plain, drifted)]
    assert shares[0] < 0.05
    assert 0.25 < shares[1] < 0.6
