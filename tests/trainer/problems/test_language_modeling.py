"""Texts, their log-likelihoods, and models with tokenizers of their own."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from trainer.errors import ConfigurationError, DataValidationError, ModelRefusedError
from trainer.evaluation.bootstrap import paired_bootstrap
from trainer.problems import problem_of

PROBLEM = problem_of("language_modeling")
TEXTS = pl.Series("text", ["abcd", "é" * 4, "x" * 100])
"""4, 8 and 100 bytes."""


def output(likelihoods: list[float], tokens: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"prediction": likelihoods, "tokens": tokens})


def test_long_texts_count_by_their_size() -> None:
    made = PROBLEM.predictions(TEXTS, output([-4.0, -8.0, -20.0], [2, 4, 10]), None)
    found = PROBLEM.score(made)
    assert found["perplexity"] == pytest.approx(math.exp(32 / 16)), "not the mean of exp(2), exp(2) and exp(2)"
    assert found["bits_per_byte"] == pytest.approx(32 / math.log(2) / 112)
    twice = PROBLEM.figure("perplexity").weighted(made)(np.array([[1.0, 2.0], [1.0, 0.0], [1.0, 0.0]]))
    assert twice == pytest.approx([math.exp(2), math.exp(2)])
    assert PROBLEM.figure("bits_per_byte").weighted(made)(np.array([[2.0], [0.0], [1.0]])) == pytest.approx([
        28 / math.log(2) / 108
    ])


def test_another_tokenizer_changes_perplexity_and_not_bits_per_byte() -> None:
    random = np.random.default_rng(1)
    texts = pl.Series("text", ["x" * int(size) for size in random.integers(500, 5000, 60)])
    loss = -texts.str.len_bytes().to_numpy().astype(float) * random.uniform(0.8, 1.2, 60)
    long, short = ((texts.str.len_bytes() // size).to_list() for size in (5, 3))
    challenger, production = (PROBLEM.predictions(texts, output(loss.tolist(), each), None) for each in (short, long))
    per_token = paired_bootstrap(PROBLEM, "perplexity", challenger, production, resamples=200)
    assert per_token.lower > 0, "more and shorter tokens look better, though no text is any likelier"
    per_byte = paired_bootstrap(PROBLEM, "bits_per_byte", challenger, production, resamples=200)
    assert (per_byte.lower, per_byte.gain, per_byte.upper) == pytest.approx((0, 0, 0), abs=1e-12)
    better = PROBLEM.predictions(texts, output((loss * 0.97).tolist(), short), None)
    assert paired_bootstrap(PROBLEM, "bits_per_byte", better, production, resamples=200).lower > 0


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (output([-1.0, 2.0, -1.0], [1, 1, 1]), "1 of 3 texts have a log-likelihood above 0 or no token"),
        (output([-1.0, -2.0, -1.0], [1, 0, 1]), "1 of 3 texts have a log-likelihood above 0 or no token"),
        (output([-1.0, float("nan"), -1.0], [1, 1, 1]), "predictions are missing or not finite"),
        (output([-1.0, -2.0, -1.0], [1, 1, 1]).drop("tokens"), "the answers lack tokens; they have prediction"),
    ],
    ids=["above 0", "no token", "nan", "no tokens"],
)
def test_answers_that_are_none_are_refused(answers: pl.DataFrame, message: str) -> None:
    with pytest.raises(ModelRefusedError, match=message):
        PROBLEM.predictions(TEXTS, answers, None)


def test_no_text_may_be_empty() -> None:
    assert PROBLEM.target_mistakes(TEXTS, None) == []
    assert PROBLEM.target_mistakes(pl.Series("text", ["a", " \n"]), None) == [
        "columns.target: 'text' is empty in 1 of 2 documents, such as row 2; remove these"
    ]
    assert "'text' is Int64" in PROBLEM.target_mistakes(pl.Series("text", [1]), None)[0]
    with pytest.raises(DataValidationError, match="there are no rows"):
        PROBLEM.predictions(TEXTS.head(0), output([], []), None)


def test_algorithms_of_tables_cannot_learn_texts() -> None:
    with pytest.raises(ConfigurationError, match="only a pipeline with a section `text` has this problem"):
        PROBLEM.encode(TEXTS, ())
