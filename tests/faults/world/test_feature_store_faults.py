"""The feature store away, or the step that fills it killed: the promotion stands, and readers never find half of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.world.checks import fails
from tests.faults.world.killing import BEGIN, HALF_A_RESULT, MOVED, RESULT, Kill, assert_closed, kill_points, outputs
from tests.faults.world.servers import BROKEN, Proxy
from tests.redis_server import RedisServer
from trainer.errors import OutageError
from trainer.feature_store.store import FeatureStore, NothingPublishedError
from trainer.run.fallback import PUBLISH_AGAIN
from trainer.run.records import IngestResult, PublishFeaturesResult
from trainer.summary.summary import build_summary
from trainer.summary.terminal import render

if TYPE_CHECKING:
    from tests.faults.world.worlds import Stage, World

STEP = "publish_features"
STORE = "trainer.feature_store.store:FeatureStore"
TAG = "mlflow:MlflowClient.set_model_version_tag"


@pytest.fixture
def promoted(world_after: Stage, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> World:
    """A run whose version 2 is production, in an environment with an empty feature store."""
    world = world_after("promote")
    for name, value in redis_server.variables.items():
        monkeypatch.setenv(name, value)
    return world


def published(world: World, server: RedisServer) -> bool:
    """Whether readers find features; if so, those of every row."""
    try:
        store = FeatureStore.published(server.client(), "churn")
    except NothingPublishedError:
        return False
    rows = world.folder.at("ingest").result(IngestResult).rows
    assert server.client().dbsize() == rows + 2  # beside them its columns, and which version counts
    assert len(store.schema) > 0
    return True


POINTS = {
    "at its begin": (BEGIN, False),
    "before rows": (("before", f"{STORE}.store_many"), False),
    "after rows": (("after", f"{STORE}.store_many"), False),
    "after all": (("after", f"{STORE}.publish"), True),
    "after the tag": (("after", TAG), True),
    "before its result": (RESULT, True),
    "in its result": (HALF_A_RESULT, True),
}
REPEATED = ("at its begin", "before rows", "after the tag", "before its result")


@pytest.mark.parametrize(("point", "between"), kill_points(POINTS, slow=REPEATED))
def test_killed_and_tried_again_all_features_are_there_once(
    point: tuple[str, ...], between: bool, promoted: World, redis_server: RedisServer, kill: Kill
) -> None:
    kill(promoted, point, STEP)
    assert published(promoted, redis_server) == between
    promoted.step(STEP)
    assert published(promoted, redis_server)
    found = outputs(promoted, STEP)
    rows = promoted.folder.at("ingest").result(IngestResult).rows
    assert (found["rows"], found["files"]) == (rows, {"/result.json"})
    assert promoted.client.get_model_version(promoted.model, "2").tags["features.version"] == found["version"]
    assert promoted.aliases() == MOVED
    assert_closed(promoted)


def test_a_redis_that_is_down_is_told_and_the_promotion_stands(
    promoted: World, redis_server: RedisServer, mail: Callable[[], str]
) -> None:
    redis_server.stop()
    said = fails(promoted, STEP, OutageError, f"Redis at 127.0.0.1:{redis_server.port} does not answer")
    assert redis_server.variables["REDIS_PASSWORD"] not in said
    promoted.step("report")
    assert promoted.aliases() == MOVED
    told = mail()
    assert "The run failed in publish_features" in told
    assert "publish_features: OutageError: feature store: Redis at" in told
    assert "the promotion stands: production is version 2. Services read what features were there before" in told
    assert "production stays" not in told
    assert PUBLISH_AGAIN in told
    assert "churn-predictor-sample version 2 (" in told
    summary = build_summary(promoted.folder)
    assert (summary.outcome, summary.model.version, summary.model.aliases) == ("failed", "2", MOVED)
    text = render(summary)
    assert "FAILED: a step after the promotion failed; what was promoted stays so." in text
    page = promoted.folder.read_text("report.html")
    assert "A step after the promotion failed; what was promoted stays so" in page
    assert PUBLISH_AGAIN in page


@pytest.mark.parametrize("fault", ["unreachable", "500"])
def test_mlflow_away_leaves_the_features_there_and_the_next_try_tags_the_version(
    fault: str, promoted: World, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with monkeypatch.context() as away, Proxy(rule=lambda _method, _path: BROKEN) as proxy:
        port = 9 if fault == "unreachable" else proxy.port
        away.setenv("MLFLOW_TRACKING_URI", f"http://somebody:secret@127.0.0.1:{port}")
        said = fails(promoted, STEP, OutageError, f"MLflow at http://127.0.0.1:{port} ")
    assert "secret" not in said
    failure = promoted.folder.at(STEP).failure()
    assert failure is not None
    assert "the promotion stands: production is version 2" in failure.message
    assert published(promoted, redis_server)
    promoted.step(STEP)
    tags: Any = promoted.client.get_model_version(promoted.model, "2").tags
    assert tags["features.version"] == promoted.folder.at(STEP).result(PublishFeaturesResult).version
