"""The step `score`: each row has its answer, from the version that the run began with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from trainer.errors import ConfigurationError, ModelRefusedError
from trainer.registry.origin import MODEL_DIGEST_TAG
from trainer.registry.own_models import load_fitted
from trainer.registry.versions import PRODUCTION
from trainer.run.records import RefitResult, ScoreResult, StartScoringResult
from trainer.tables.handover import ROWS, SCORED

STEP = "score"


def test_each_row_has_the_answer_of_the_model_and_its_origin(scoring: Any) -> None:
    scored = pl.read_parquet(scoring.run.at(STEP).path(SCORED))
    rows = pl.read_parquet(scoring.run.at("read_rows").path(ROWS))
    assert list(scored.columns) == ["id", "prediction", "probability", "model_version", "run", "scored_at"]
    assert scored["id"].to_list() == rows["customer_id"].to_list()
    fitted = load_fitted(scoring.folder.at("refit").result(RefitResult).model_id)
    expected = fitted.predict(rows)
    assert scored["prediction"].to_list() == expected["prediction"].to_list()
    assert scored["probability"].to_list() == pytest.approx(expected["probability"].to_list(), abs=1e-12)
    started = datetime.fromisoformat(scoring.run.at("start_scoring").result(StartScoringResult).started_at)
    assert scored.select("model_version", "run", "scored_at").unique().rows() == [(1, "scoring-1", started)]
    assert started.tzinfo == UTC
    result = scoring.run.at(STEP).result(ScoreResult)
    assert (result.rows, list(result.columns)) == (200, scored.columns)


def test_an_alias_that_moves_during_the_run_changes_nothing_and_batches_neither(scoring: Any) -> None:
    scoring.begin(batch_rows=7)
    version = scoring.client.get_model_version(scoring.model, "1")
    other = scoring.client.create_model_version(scoring.model, version.source, version.run_id)
    scoring.client.set_registered_model_alias(scoring.model, PRODUCTION, other.version)
    scoring.steps("read_rows", "check_rows", STEP)
    first, second = (pl.read_parquet(scoring.at(key).at(STEP).path(SCORED)) for key in ("scoring-1", "scoring-2"))
    assert_frame_equal(first.drop("run", "scored_at"), second.drop("run", "scored_at"), abs_tol=1e-12)
    assert second["model_version"].unique().to_list() == [1]


def test_a_version_that_was_deleted_since(scoring: Any) -> None:
    scoring.client.delete_model_version(scoring.model, "1")
    with pytest.raises(ConfigurationError, match=r"version 1, with which this run began, was deleted since"):
        scoring.step(STEP, key="scoring-1")


def test_a_model_whose_files_are_others(scoring: Any) -> None:
    scoring.client.set_model_version_tag(scoring.model, "1", MODEL_DIGEST_TAG, "0" * 64)
    scoring.begin()
    scoring.steps("read_rows", "check_rows")
    with pytest.raises(ModelRefusedError, match="expected 0000"):
        scoring.steps(STEP)
