"""A run that has come as far as a test wants it, with production before it."""

from __future__ import annotations

import contextlib
import functools
import html
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from include.mail.send import on_run_failure
from tests.faults.world import killing
from tests.faults.world.checks import connect_mail
from tests.faults.world.killing import Kill
from tests.faults.world.worlds import RUN_ID, STAGES, Stage, World, standing_in
from tests.shared import BuiltOnce
from tests.warm import WarmServers
from tests.world import ALGORITHM

CONTEXT: Any = {"dag": SimpleNamespace(dag_id="churn_training"), "run_id": RUN_ID, "reason": "task_failure"}


@pytest.fixture(scope="session")
def stages(built_once: BuiltOnce, empty_mlflow_store: Path) -> Stage:
    """Gives the world of a run in which one step after the other was done, up to the one named; each is built once.

    From `evaluate` on, production is version 1: the same model, registered by an earlier run.
    """

    def build(upto: str) -> World:
        world: World | None = None
        for name, algorithm in STAGES:
            fill = functools.partial(_advance, world, name, algorithm, empty_mlflow_store)
            world = World(built_once(f"until-{name}", fill))
            if name == upto:
                return world
        raise AssertionError(f"no stage is called {upto}")

    return build


def _advance(before: World | None, name: str, algorithm: str, store: Path, home: Path) -> None:
    """Fill a home with the world before, and do one step more in it."""
    if before is None:
        shutil.copy(store, home / "mlflow.db")
    world = World(home) if before is None else before.copy_to(home)
    with standing_in(world):
        if name == "evaluate":
            _make_production(world)
        world.step(name, algorithm)


def _make_production(world: World) -> None:
    """The trained model as version 1 and production, with a record of the same data."""
    import mlflow

    from trainer.registry.origin import MODEL_DIGEST_TAG, model_digest
    from trainer.run.records import FeaturesResult, IngestResult, TrainResult

    client = world.client  # points MLflow, which downloads below, at this world's store
    trained = world.folder.at("train", ALGORITHM).result(TrainResult)
    ingest = world.folder.at("ingest").result(IngestResult)
    model = Path(mlflow.artifacts.download_artifacts(trained.model_uri))
    tags = {
        MODEL_DIGEST_TAG: model_digest(model),
        "data.snapshot": ingest.snapshot,
        "data.digest": ingest.digest,
        "data.keys": world.folder.at("engineer_features").result(FeaturesResult).keys,
    }
    client.create_registered_model(world.model)
    version = client.create_model_version(world.model, trained.model_uri, trained.run_id, tags=tags)
    client.set_registered_model_alias(world.model, "production", version.version)


@pytest.fixture
def world_after(stages: Stage, tmp_path: Path) -> Iterator[Stage]:
    """Gives a copy of a stage's world, for this test alone, and makes this process stand in it."""
    with contextlib.ExitStack() as stack:

        def enter(step: str) -> World:
            world = stages(step).copy_to(tmp_path)
            stack.enter_context(standing_in(world))
            return world

        yield enter


@pytest.fixture
def kill(warm: WarmServers) -> Kill:
    """Starts a step that is killed at a call of choice."""
    return functools.partial(killing.kill, warm)


@pytest.fixture
def mail(airflow_home: Path, mailbox: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Sends the failure mail as the DAG does, over a real server; returns its text."""
    connect_mail(mailbox.port, monkeypatch)

    def send() -> str:
        on_run_failure(CONTEXT)
        (message,) = mailbox.messages
        assert message["Subject"].startswith("Training Pipeline - Failure: churn")
        return " ".join(html.unescape(message.get_body(("html",)).get_content()).split())

    return send
