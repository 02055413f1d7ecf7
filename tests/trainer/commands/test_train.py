"""`trainer train`: all steps in this process, up to the feature store."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conftest import changed
from tests.redis_server import RedisServer
from trainer.__main__ import main
from trainer.commands.train import _left_out
from trainer.feature_store.store import FeatureStore
from trainer.pipeline import Pipeline, TabularPipeline
from trainer.registry.versions import aliases_of
from trainer.run import RunFolder

NO_STORE = "this environment names no feature store (`feature_store.address`)"
NOT_TO_PRODUCTION = "this run does not promote to production"


@pytest.fixture
def quick(small_churn: Pipeline) -> Pipeline:
    """A pipeline without a search."""
    return changed(small_churn, tuning={"enabled": False, "metric": "auc_roc"})


@pytest.fixture
def config(quick: Pipeline, surroundings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pipeline's file."""
    monkeypatch.setattr("trainer.process.logs.set_up", lambda _: None)  # pytest's own handlers stay
    file = tmp_path / "churn.yaml"
    file.write_text(quick.to_yaml())
    return file


@pytest.fixture
def features(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> RedisServer:
    """The environment's feature store."""
    for name, value in redis_server.variables.items():
        monkeypatch.setenv(name, value)
    return redis_server


def train(config: Path, flag: str) -> tuple[int, RunFolder]:
    folder = RunFolder.open(str(config.with_name("run")))
    code = main(["train", "--config", str(config), "--run", folder.uri, flag])
    return code, folder


def summary(folder: RunFolder) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(folder.read_text("summary.json"))
    return content


def test_what_is_promoted_to_production_fills_the_feature_store(
    config: Path, features: RedisServer, quick: TabularPipeline
) -> None:
    code, folder = train(config, "--promote-to-production")
    told = summary(folder)
    assert (code, told["outcome"], told["left_out"]) == (0, "promoted", {})
    steps = list(told["seconds"])
    assert steps[steps.index("promote") + 1] == "publish_features"
    ids = pl.read_parquet(folder.at("ingest").path("snapshot.parquet"))["customer_id"]
    store = FeatureStore.published(features.client(), quick.name)
    found = store.get_many(ids)
    assert (found.unknown, found.rows.height) == ([], len(ids))
    assert {*quick.features.derive} < {*found.rows.columns}


def test_a_redis_that_is_down_fails_the_command_and_the_promotion_stands(
    config: Path, features: RedisServer, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    features.stop()
    code, folder = train(config, "--promote-to-production")
    told = summary(folder)
    assert (code, told["outcome"]) == (1, "failed")
    assert aliases_of(client, told["model"]["name"]) == told["model"]["aliases"] == {"production": "1", "staging": "1"}
    printed = capsys.readouterr().out
    assert re.search(r"Why: publish_features: OutageError: feature store: Redis at 127\.0\.0\.1:\d+ does not", printed)
    assert "the promotion stands: production is version 1" in printed
    assert "FAILED: a step after the promotion failed; what was promoted stays so." in printed
    assert features.variables["REDIS_PASSWORD"] not in printed


def test_without_a_feature_store_it_is_left_out_and_the_summary_says_why(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, folder = train(config, "--promote-to-production")
    told = summary(folder)
    assert (code, told["outcome"], told["left_out"]) == (0, "promoted", {"publish_features": NO_STORE})
    assert f"Left out: publish_features: {NO_STORE}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("promote_to", "why"), [("staging", NOT_TO_PRODUCTION), ("production", "")])
def test_only_what_goes_to_production_is_published(
    promote_to: str, why: str, quick: Pipeline, surroundings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_FEATURE_STORE", "redis://localhost:6379/0")
    assert _left_out("publish_features", quick.for_run({"promote_to": promote_to})) == why


@pytest.mark.parametrize(("answer", "outcome"), [("promote", "promoted"), ("keep", "kept")])
def test_a_run_by_hand_answers_by_its_parameter(config: Path, quick: Pipeline, answer: str, outcome: str) -> None:
    config.write_text(changed(quick, approval="always", run={"answer": answer}).to_yaml())
    code, folder = train(config, "--promote-to-production")
    assert (code, summary(folder)["outcome"]) == (0, outcome)
    [approval] = summary(folder)["approvals"]
    assert approval["source"] == "parameter"
