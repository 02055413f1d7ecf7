"""A real registry with versions of a model that no test loads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus

from trainer.registry.tracking import connect, ensure_experiment
from trainer.registry.versions import KEYS_TAG, RUN_FOLDER_TAG, SNAPSHOT_TAG

MODEL = "churn-predictor"
Register = Callable[..., str]


@pytest.fixture
def client(surroundings: Any) -> MlflowClient:
    return connect()


@pytest.fixture
def register(client: MlflowClient, surroundings: Any) -> Register:
    """Registers a version that came from a run folder; returns its number."""

    def make(key: str = "run-1", model: str = MODEL, tags: dict[str, str] | None = None) -> str:
        folder = f"{surroundings.runs}/churn/{key}"
        own = {
            RUN_FOLDER_TAG: folder,
            SNAPSHOT_TAG: f"{folder}/ingest/snapshot.parquet",
            KEYS_TAG: f"{folder}/engineer_features/keys.parquet",
        }
        logged = client.create_logged_model(ensure_experiment(client, "churn"), name="model")
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        if not client.search_registered_models(filter_string=f"name = '{model}'"):
            client.create_registered_model(model)
        made = client.create_model_version(model, logged.model_uri, tags=own if tags is None else tags)
        return str(made.version)

    return make
