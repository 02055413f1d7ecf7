"""The step `accept`: the registered version answers as in training, and keeps to the limits."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trainer.data.tables import read_table, write_table
from trainer.errors import ModelRefusedError, StepNotDoneError
from trainer.isolated.scoring import Scored
from trainer.models.registry import aliases_of
from trainer.pipeline import Acceptance, Pipeline
from trainer.run.results import AcceptResult, FeaturesResult
from trainer.steps.accept import _broken
from trainer.steps.train import PREDICTIONS

SCORED = Scored(pl.DataFrame(), size_mb=50, latency_ms=20, memory_mb=400)


def test_an_accepted_version_answers_as_in_training(accepted: Any) -> None:
    result = accepted.folder.at("accept").result(AcceptResult)
    assert (result.model, result.version) == ("churn-predictor-sample", "1")
    assert result.rows == accepted.folder.at("engineer_features").result(FeaturesResult).rows["validation"]
    assert 0 <= result.largest_difference < 1e-9
    assert result.size_mb > 0
    assert result.latency_ms > 0
    assert result.memory_mb > 0


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, []),
        ({"max_size_mb": 50, "max_latency_ms": 20, "max_memory_mb": 400}, []),
        ({"max_size_mb": 49.9}, ["size is 50.0 MB, the limit is 49.9 MB"]),
        ({"max_latency_ms": 19}, ["time to predict one row is 20.0 ms, the limit is 19 ms"]),
        ({"max_memory_mb": 399}, ["peak memory is 400.0 MB, the limit is 399 MB"]),
    ],
    ids=["none", "kept", "size", "latency", "memory"],
)
def test_each_limit_that_is_broken_is_named(limits: dict[str, float], expected: list[str]) -> None:
    assert _broken(Acceptance.model_validate(limits), SCORED) == expected


def test_a_version_that_is_not_as_it_should_be_is_refused_and_nothing_moves(accepted: Any) -> None:
    limits = {"max_size_mb": 0.001, "max_latency_ms": 0.0001, "max_memory_mb": 1}
    strict = Pipeline.model_validate({**accepted.frozen.model_dump(mode="json"), "acceptance": limits})
    folder = accepted.folder.at("train", "logistic")
    write_table(folder, PREDICTIONS, read_table(folder, PREDICTIONS).with_columns(pl.col("probability") * 0.9))
    with pytest.raises(ModelRefusedError) as raised:
        accepted.step("accept", pipeline=strict)
    message = str(raised.value)
    for reason in (
        "size is",
        "time to predict one row is",
        "peak memory is",
        "predictions differ from those of training by",
    ):
        assert reason in message
    assert message.endswith("Nothing moves.")
    assert raised.value.exit_code == 4
    assert aliases_of(accepted.client, accepted.model) == {}
    with pytest.raises(StepNotDoneError):
        accepted.folder.at("accept").result(AcceptResult)
