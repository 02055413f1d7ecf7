"""The step `accept`: the registered version answers as in training, and keeps to the limits."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from trainer.errors import ModelRefusedError, StepNotDoneError
from trainer.pipeline import pipeline_of
from trainer.registry.versions import aliases_of
from trainer.run.records import AcceptResult, FeaturesResult
from trainer.tables.handover import PREDICTIONS
from trainer.tables.parquet import read_table, write_table


def test_an_accepted_version_answers_as_in_training(accepted: Any) -> None:
    result = accepted.folder.at("accept").result(AcceptResult)
    assert (result.model, result.version) == ("churn-predictor-sample", "1")
    assert result.rows == accepted.folder.at("engineer_features").result(FeaturesResult).rows["validation"]
    assert 0 <= result.largest_difference < 1e-9
    assert result.size_mb > 0
    assert 0 < result.latency_ms <= result.latency_p99_ms
    assert result.batch_rows == accepted.frozen.acceptance.batch_rows == 1000
    assert 0 < result.batch_latency_ms <= result.batch_latency_p99_ms
    assert result.memory_mb > 0


def test_a_version_that_is_not_as_it_should_be_is_refused_and_nothing_moves(accepted: Any) -> None:
    limits = {
        "max_size_mb": 0.001, "max_memory_mb": 1, "max_latency_ms": 0.0001, "max_latency_p99_ms": 0.0001,
        "batch_rows": 50, "max_batch_latency_ms": 0.0001, "max_batch_latency_p99_ms": 0.0001,
    }  # fmt: skip
    strict = pipeline_of({**accepted.frozen.model_dump(mode="json"), "acceptance": limits})
    folder = accepted.folder.at("refit")
    write_table(folder, PREDICTIONS, read_table(folder, PREDICTIONS).with_columns(pl.col("probability") * 0.9))
    with pytest.raises(ModelRefusedError) as raised:
        accepted.step("accept", pipeline=strict)
    message = str(raised.value)
    for reason in (
        "size is",
        "time for one row, median is",
        "time for one row, 99th percentile is",
        "time for 50 rows, median is",
        "time for 50 rows, 99th percentile is",
        "peak memory is",
        "predictions differ from those of training by",
    ):
        assert reason in message
    assert message.endswith("Nothing moves.")
    assert raised.value.exit_code == 4
    assert aliases_of(accepted.client, accepted.model) == {}
    with pytest.raises(StepNotDoneError):
        accepted.folder.at("accept").result(AcceptResult)
