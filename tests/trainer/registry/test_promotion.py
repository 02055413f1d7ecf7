"""Moves of the alias `production` that come at the same time, on each kind of registry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from tests.faults.world.servers import serve_mlflow
from trainer.errors import PromotionConflictError
from trainer.registry.history import Move
from trainer.registry.promotion import check_unmoved, promotion_lock, release, roll_back, to_production
from trainer.registry.tracking import PIPELINE_TAG, connect, ensure_experiment
from trainer.registry.versions import PREVIOUS, PRODUCTION, RUN_FOLDER_TAG, aliases_of
from trainer.run import RunFolder
from trainer.run import lock as lock_module

MODEL = "churn-predictor"
PAIRS = 6


@pytest.fixture(params=["sqlite", "postgresql", "server"])
def registry(
    request: pytest.FixtureRequest, surroundings: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MlflowClient]:
    """A client of an empty registry: over a file, over PostgreSQL, and of a server."""
    monkeypatch.setattr(lock_module, "POLL_SECONDS", 0.01)
    if request.param == "postgresql":
        address = request.getfixturevalue("postgres_database").replace("postgresql://", "postgresql+psycopg2://")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield connect()
    elif request.param == "server":
        connect()
        with serve_mlflow(f"sqlite:///{tmp_path}/served.db", f"file://{tmp_path}/a", tmp_path / "log") as server:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
            yield connect()
    else:
        yield connect()


@pytest.fixture
def versions(registry: MlflowClient, tmp_path: Path) -> MlflowClient:
    """Three versions, of which the first is production."""
    logged = registry.create_logged_model(ensure_experiment(registry, "churn"), name="model")
    registry.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    registry.create_registered_model(MODEL)
    for number in (1, 2, 3):
        tags = {PIPELINE_TAG: "churn", RUN_FOLDER_TAG: str(tmp_path / "runs" / "churn" / f"run-{number}")}
        registry.create_model_version(MODEL, logged.model_uri, tags=tags, model_id=logged.model_id)
    registry.set_registered_model_alias(MODEL, PRODUCTION, "1")
    return registry


def promote(client: MlflowClient, version: str, store: Path) -> bool:
    """Promote a version as a run does that was compared with version 1; returns whether that succeeded."""
    run = RunFolder.open(str(store / "churn" / f"run-{version}"))
    try:
        with promotion_lock(run, "churn", MODEL, run.uri) as lock:
            check_unmoved(client, MODEL, version, "1")
            to_production(client, MODEL, Move(kind="promotion", before="1", version=version, by=run.uri), lock)
    except PromotionConflictError:
        return False
    return True


def test_of_two_promotions_at_once_exactly_one_succeeds(versions: MlflowClient, tmp_path: Path) -> None:
    store = tmp_path / "runs"
    for _ in range(PAIRS):
        ready = threading.Barrier(2)

        def run(version: str, ready: threading.Barrier = ready) -> bool:
            ready.wait()
            return promote(versions, version, store)

        with ThreadPoolExecutor(2) as pool:
            succeeded = [version for version, done in zip("23", pool.map(run, "23"), strict=True) if done]
        assert len(succeeded) == 1
        assert aliases_of(versions, MODEL) == {PRODUCTION: succeeded[0], PREVIOUS: "1"}
        roll_back(versions, MODEL, succeeded[0])
        assert not promote(versions, succeeded[0], store)
        release(versions, MODEL)
