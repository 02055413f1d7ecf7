"""The step `publish_features`: what services read is what the promoted model was trained on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import polars as pl
import pytest

from tests.redis_server import PASSWORD, RedisServer
from trainer.errors import ConfigurationError, OutageError
from trainer.feature_store.store import FeatureStore, NothingPublishedError
from trainer.inference.fitted import TabularPreparation
from trainer.pipeline import pipeline_of
from trainer.registry.own_models import load_fitted
from trainer.registry.versions import PRODUCTION, STAGING, aliases_of
from trainer.run.records import PublishFeaturesResult, RefitResult
from trainer.summary.summary import build_summary

STEP = "publish_features"


@pytest.fixture
def promoted(accepted: Any, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run whose version is production, in an environment with a Redis."""
    for name, value in redis_server.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TRAINER_FEATURE_STORE_HOURS", "48")
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD + "\n")  # as a Secret made from a file ends
    accepted.step("promote")
    return accepted


def result_of(runs: Any) -> PublishFeaturesResult:
    result: PublishFeaturesResult = runs.folder.at(STEP).result(PublishFeaturesResult)
    return result


def test_all_rows_are_found_by_their_id(promoted: Any, redis_server: RedisServer) -> None:
    promoted.step(STEP)
    result = result_of(promoted)
    snapshot = pl.read_parquet(promoted.folder.at("ingest").path("snapshot.parquet"))
    store = FeatureStore.published(redis_server.client(), promoted.pipeline.name)
    found = store.get_many(snapshot[promoted.frozen.columns.id])
    assert found.unknown == []
    fitted = load_fitted(promoted.folder.at("refit").result(RefitResult).model_id)
    assert found.rows.drop("__id__").equals(
        cast("TabularPreparation", fitted.preparation).inputs_of(snapshot).select(result.columns)
    )
    assert not {promoted.frozen.columns.target, promoted.frozen.columns.id, "__part__"} & {*result.columns}
    assert {*promoted.frozen.features.derive} < {*result.columns}
    assert (result.rows, result.version, result.store) == (snapshot.height, store.version, redis_server.address)
    left = datetime.fromisoformat(result.expires_at) - datetime.now(UTC)
    assert timedelta(hours=47) < left <= timedelta(hours=48)


def test_the_model_version_says_which_features_are_its_own(promoted: Any) -> None:
    promoted.step(STEP)
    assert (
        promoted.client.get_model_version(promoted.model, "1").tags["features.version"] == result_of(promoted).version
    )


def test_published_again_nothing_changes(promoted: Any, redis_server: RedisServer) -> None:
    promoted.step(STEP)
    keys = {*redis_server.client().scan_iter("*")}
    first = result_of(promoted)
    promoted.step(STEP)
    assert {*redis_server.client().scan_iter("*")} == keys
    assert (result_of(promoted).version, result_of(promoted).rows) == (first.version, first.rows)


def test_a_redis_that_is_down_fails_the_step_and_the_promotion_stands(promoted: Any, redis_server: RedisServer) -> None:
    redis_server.stop()
    with pytest.raises(OutageError, match=rf"Redis at 127\.0\.0\.1:{redis_server.port} does not answer"):
        promoted.step(STEP)
    assert aliases_of(promoted.client, promoted.model) == {PRODUCTION: "1", STAGING: "1"}
    failure = promoted.folder.at(STEP).failure()
    assert (failure.error, failure.exit_code) == ("OutageError", 1)
    assert (
        "the promotion stands: production is version 1. Services read what features were there before"
        in failure.message
    )
    summary = build_summary(promoted.folder)
    assert (summary.outcome, summary.model.aliases) == ("failed", {PRODUCTION: "1", STAGING: "1"})
    redis_server.start()
    promoted.step(STEP)
    assert result_of(promoted).rows > 0


def test_a_wrong_password_is_no_reason_to_try_again(
    promoted: Any, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "mistaken")
    with pytest.raises(ConfigurationError, match="does not accept the login") as caught:
        promoted.step(STEP)
    assert "mistaken" not in str(caught.value)
    with pytest.raises(NothingPublishedError):
        FeatureStore.published(redis_server.client(), promoted.pipeline.name)


def test_without_a_redis_it_cannot_be_done(promoted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINER_FEATURE_STORE")
    with pytest.raises(ConfigurationError, match="the environment names none"):
        promoted.step(STEP)


def test_without_an_id_there_is_nothing_to_ask_by(promoted: Any) -> None:
    document = promoted.frozen.model_dump(mode="json")
    nameless = pipeline_of({**document, "columns": {**document["columns"], "id": None}})
    with pytest.raises(ConfigurationError, match=r"columns\.id: the pipeline names none"):
        promoted.step(STEP, pipeline=nameless)


def test_what_is_not_in_production_is_not_published(promoted: Any) -> None:
    promoted.edit("promote", aliases={STAGING: "1"})
    with pytest.raises(ConfigurationError, match="version 1 is not production, whose features services ask for"):
        promoted.step(STEP)
