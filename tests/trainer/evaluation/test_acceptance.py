"""Acceptance: everything that is broken is named, each with its value and its limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from trainer.evaluation.acceptance import LARGEST_DIFFERENCE, answers, as_in_training, checks_of_use, refused
from trainer.isolated.scoring import Timing, Tried
from trainer.pipeline import Acceptance
from trainer.problems import problem_of

TRIED = Tried(
    pl.DataFrame(), size_mb=50, memory_mb=400, digest="", one_row=Timing(median_ms=20, p99_ms=60, calls=200),
    batch=Timing(median_ms=100, p99_ms=300, calls=20), batch_rows=1000, format_faults=[], not_refused=[],
)  # fmt: skip
KEPT = {
    "max_size_mb": 50, "max_memory_mb": 400, "max_latency_ms": 20, "max_latency_p99_ms": 60, "max_batch_latency_ms": 100,
    "max_batch_latency_p99_ms": 300,
}  # fmt: skip
TRUTH = pl.Series("y", ["no", "yes", "no"])
BINARY = {"prediction": ["no", "yes", "yes"], "probability": [0.1, 0.9, 0.8]}
MANY = {"prediction": ["no", "yes", "no"], "probability": [0.9, 0.9, 0.8], "probability_no": [0.9, 0.1, 0.8], "probability_yes": [0.1, 0.9, 0.2]}  # fmt: skip


def broken(limits: dict[str, float], tried: Tried = TRIED) -> str:
    return refused(checks_of_use(Acceptance.model_validate(limits), tried))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, ""),
        (KEPT, ""),
        ({"max_size_mb": 49.9}, "size is 50.0 MB, the limit is 49.9 MB"),
        ({"max_memory_mb": 399}, "peak memory is 400.0 MB, the limit is 399 MB"),
        ({"max_latency_ms": 19}, "time for one row, median is 20.0 ms, the limit is 19 ms"),
        ({"max_latency_p99_ms": 59}, "time for one row, 99th percentile is 60.0 ms, the limit is 59 ms"),
        ({"max_batch_latency_ms": 99}, "time for 1000 rows, median is 100.0 ms, the limit is 99 ms"),
        ({"max_batch_latency_p99_ms": 299}, "time for 1000 rows, 99th percentile is 300.0 ms, the limit is 299 ms"),
    ],
    ids=["none", "kept", "size", "memory", "one", "one-p99", "batch", "batch-p99"],
)
def test_a_limit_that_is_broken_is_named(limits: dict[str, float], expected: str) -> None:
    assert broken(limits) == expected


def test_everything_that_is_broken_is_named_at_once() -> None:
    tried = replace(TRIED, format_faults=["no code", "no example"], not_refused=["tenure", "contract"])
    said = broken({name: limit / 2 for name, limit in KEPT.items()}, tried)
    assert said.startswith("no code; no example; rows without tenure, contract are not refused by its signature; size")
    assert said.count("the limit is") == len(KEPT)


def test_what_has_no_limit_is_still_said() -> None:
    [size] = [check for check in checks_of_use(Acceptance(), TRIED) if check.name == "size"]
    assert (size.passed, size.says, size.value, size.limit) == (True, "size is 50.0 MB, no limit is set", 50, None)


def test_a_difference_from_training() -> None:
    assert as_in_training(LARGEST_DIFFERENCE).passed
    assert not as_in_training(LARGEST_DIFFERENCE * 1.01).passed
    assert as_in_training(0.25).says == "predictions differ from those of training by up to 0.25, the limit is 1e-06"


@pytest.mark.parametrize(
    ("problem", "truth", "output", "positive"),
    [
        ("binary_classification", TRUTH, BINARY, "yes"),
        ("multiclass_classification", TRUTH, MANY, None),
        ("regression", pl.Series([1.0, 2.0]), {"prediction": [1.5, 2.5]}, None),
    ],
    ids=["binary", "multiclass", "regression"],
)
def test_answers_as_they_have_to_be(problem: str, truth: pl.Series, output: dict[str, Any], positive: Any) -> None:
    check, predictions = answers(problem_of(problem), truth, pl.DataFrame(output), positive)
    assert (check.passed, predictions is not None) == (True, True)


@pytest.mark.parametrize(
    ("problem", "output", "reason"),
    [
        ("binary_classification", {"prediction": BINARY["prediction"]}, "the answers lack probability; they have prediction"),
        ("binary_classification", {**BINARY, "probability": ["0.1", "0.9", "0.8"]}, "no numbers: probability (String)"),
        ("binary_classification", {**BINARY, "probability": [0.1, float("nan"), 0.8]}, "1 of 3 probabilities are not finite"),
        ("binary_classification", {**BINARY, "probability": [0.1, 1.1, 0.8]}, "not from 0 to 1: 1.1"),
        ("binary_classification", {**BINARY, "prediction": ["no", "yes", "perhaps"]}, "'perhaps'"),
        ("multiclass_classification", {**MANY, "probability_no": [0.5, 0.1, 0.8]}, "do not add up to 1: 0.6"),
        ("multiclass_classification", {**MANY, "prediction": ["no", "yes", "perhaps"]}, "none of these: 'perhaps'"),
        ("regression", {"prediction": ["1", "2", "3"]}, "answers that are no numbers: prediction (String)"),
        ("regression", {"prediction": [1.0, float("inf"), 3.0]}, "1 of 3 predictions are missing or not finite: inf"),
        ("regression", {"prediction": [1.0, None, 3.0]}, "1 of 3 predictions are missing or not finite"),
        ("regression", {"prediction": [1.0, 2.0]}, "predictions of shape (2,) for truth of (3,)"),
    ],
    ids=["no-probability", "text", "nan", "range", "label", "sum", "class", "text-number", "infinite", "missing", "rows"],
)  # fmt: skip
def test_answers_that_are_refused(problem: str, output: dict[str, Any], reason: str) -> None:
    truth = pl.Series([1.0, 2.0, 3.0]) if problem == "regression" else TRUTH
    check, predictions = answers(problem_of(problem), truth, pl.DataFrame(output), "yes")
    assert not check.passed
    assert predictions is None
    assert reason in check.says
