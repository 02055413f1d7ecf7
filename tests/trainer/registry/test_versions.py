"""The registry: what production is, and never a guess where the registry does not answer."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, text

from trainer.registry.tracking import connect, ensure_experiment
from trainer.registry.versions import (
    DIGEST_TAG,
    KEYS_TAG,
    PRODUCTION,
    SNAPSHOT_TAG,
    STAGING,
    Reference,
    aliases_of,
    production_reference,
    version_of,
)

MODEL = "churn-predictor"
TAGS = {SNAPSHOT_TAG: "s3://runs/snapshot.parquet", DIGEST_TAG: "abc", KEYS_TAG: "s3://runs/keys.parquet"}


@pytest.fixture
def client(surroundings: object) -> MlflowClient:
    return connect()


@pytest.fixture
def registered(client: MlflowClient) -> MlflowClient:
    """A registry with one version, which has no alias."""
    logged = client.create_logged_model(ensure_experiment(client, "churn"), name="model")
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, logged.model_uri, tags=TAGS)
    return client


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, surroundings: object) -> MlflowClient:
    """A client of a server that nobody has started."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return connect()


def test_a_model_that_does_not_exist_has_no_production(client: MlflowClient) -> None:
    assert version_of(client, MODEL, PRODUCTION) is None
    assert aliases_of(client, MODEL) == {}
    assert production_reference(MODEL) is None


def test_a_model_without_the_alias_has_no_production(registered: MlflowClient) -> None:
    registered.set_registered_model_alias(MODEL, STAGING, "1")
    assert version_of(registered, MODEL, PRODUCTION) is None
    assert production_reference(MODEL) is None
    assert aliases_of(registered, MODEL) == {STAGING: "1"}


def test_production_says_what_it_was_trained_on(registered: MlflowClient) -> None:
    registered.set_registered_model_alias(MODEL, PRODUCTION, "1")
    assert production_reference(MODEL) == Reference("1", *TAGS.values())
    version = version_of(registered, MODEL, PRODUCTION)
    assert version is not None
    assert str(version.version) == "1"


def test_production_without_a_record_has_empty_fields(registered: MlflowClient) -> None:
    for tag in TAGS:
        registered.delete_model_version_tag(MODEL, "1", tag)
    registered.set_registered_model_alias(MODEL, PRODUCTION, "1")
    assert production_reference(MODEL) == Reference("1", "", "", "")


def test_a_model_of_another_name_is_not_mistaken(registered: MlflowClient) -> None:
    registered.set_registered_model_alias(MODEL, PRODUCTION, "1")
    assert production_reference(f"{MODEL}-sample") is None
    assert aliases_of(registered, "churn") == {}


def test_a_registry_that_does_not_answer_is_not_an_absent_production(unreachable: MlflowClient) -> None:
    with pytest.raises(MlflowException, match=r"127\.0\.0\.1"):
        production_reference(MODEL)
    with pytest.raises(MlflowException, match=r"127\.0\.0\.1"):
        version_of(unreachable, MODEL, PRODUCTION)
    with pytest.raises(MlflowException, match=r"127\.0\.0\.1"):
        aliases_of(unreachable, MODEL)


def test_an_alias_whose_version_has_gone_is_not_an_absent_production(registered: MlflowClient, surroundings) -> None:
    registered.set_registered_model_alias(MODEL, PRODUCTION, "1")
    engine = create_engine(surroundings.tracking_uri)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM model_version_tags"))
        connection.execute(text("DELETE FROM model_versions"))
    engine.dispose()
    with pytest.raises(MlflowException, match="not found"):
        production_reference(MODEL)
