"""A run of the DAG in an environment whose feature store does not answer; test_secrets.py fills one."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.end_to_end.test_faults import tasks
from tests.redis_server import PASSWORD, USER, RedisServer
from tests.world import PROJECT
from trainer.registry.versions import aliases_of

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Checkout

pytestmark = pytest.mark.end_to_end

STEP = "publish_features"
ALIASES = {"production": "1", "staging": "1"}


@pytest.fixture
def serving(checkout: Checkout, redis_server: RedisServer) -> Checkout:
    """A checkout whose environment names a Redis, with one quick pipeline; the login is in Airflow's connection."""
    environments = checkout.home / "environments"
    shutil.copytree(PROJECT / "include" / "environments", environments)
    named = {"address": redis_server.address, "connection": "redis_features", "hours": 24}
    (environments / "development.yaml").write_text(yaml.safe_dump({"retries": 0, "feature_store": named}))
    login = {"conn_type": "redis", "login": USER, "password": PASSWORD}
    checkout.variables |= {
        "ENVIRONMENTS_FOLDER": str(environments),
        "AIRFLOW_CONN_REDIS_FEATURES": json.dumps(login),
    }
    source = yaml.safe_load((PROJECT / "include" / "pipelines" / "churn.yaml").read_text())["source"]
    checkout.pipeline(
        "serving",
        source={"KIND": "sample", "rows": 1500, **{key: source[key] for key in ("rename", "types", "missing")}},
        algorithms={"quick": {"KIND": "lightgbm", "params": {"n_estimators": 20}}},
        tuning={"enabled": False, "metric": "auc_roc"},
        gates={"auc_roc": 0.6, "against_production": {"metric": "auc_roc"}},
        behaviour=[],
        acceptance={},
    )
    return checkout


def assert_the_password_is_nowhere(checkout: Checkout) -> None:
    files = [file for file in checkout.home.rglob("*") if file.is_file()]
    assert [str(file) for file in files if PASSWORD.encode() in file.read_bytes()] == []


def test_a_redis_that_is_down_fails_that_task_alone_and_the_promotion_stands(
    serving: Checkout, redis_server: RedisServer
) -> None:
    redis_server.stop()
    assert serving.run("serving") == 1
    assert [task for task, (state, _) in tasks(serving).items() if state == "failed"] == [STEP]
    summary = serving.summary()
    where = f"{STEP}: OutageError: feature store: Redis at 127.0.0.1:{redis_server.port} does not answer"
    stands = "the promotion stands: production is version 1. Services read what features were there before"
    assert (summary["outcome"], summary["model"]["aliases"]) == ("failed", ALIASES)
    assert summary["reason"].startswith(where)
    assert stands in summary["reason"]
    assert aliases_of(serving.client, summary["model"]["name"]) == ALIASES
    log = serving.log.read_text()
    assert where in log
    assert "FAILED: a step after the promotion failed; what was promoted stays so." in log
    (mail,) = serving.mails()
    assert mail["Subject"] == "Training Pipeline - Failure: serving failed"
    told = " ".join(mail.get_body(("plain",)).get_content().split())
    assert where in told
    assert f"Fall back: {stands}" in told
    assert "A step after the promotion failed" in (serving.latest / "report.html").read_text()
    assert_the_password_is_nowhere(serving)
