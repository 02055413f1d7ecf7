"""The environment variables of a step."""

from __future__ import annotations

import os

import pytest

from trainer.environment import (
    Environment,
    cores,
    git_environment,
    git_login,
    read_environment,
    variable,
    variable_name,
)
from trainer.errors import ConfigurationError

NAMES = [variable_name(field) for field in Environment.model_fields]


@pytest.fixture(autouse=True)
def _only_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")


def test_names_of_the_variables() -> None:
    assert NAMES == [
        "MLFLOW_TRACKING_URI", "TRAINER_ARTIFACT_LOCATION", "TRAINER_STUDY_STORAGE", "TRAINER_DATA_STORE",
        "TRAINER_SAMPLES", "TRAINER_PIPELINE", "TRAINER_CODE", "TRAINER_AIRFLOW_RUN_ID",
        "TRAINER_GIT_COMMIT", "TRAINER_IMAGE", "TRAINER_LOG_FORMAT",
    ]  # fmt: skip


def test_only_the_tracking_uri_is_needed() -> None:
    assert read_environment() == Environment(tracking_uri="sqlite:///mlflow.db")
    assert not read_environment().samples


@pytest.mark.parametrize("name", NAMES)
def test_each_variable_reaches_its_field(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    values = {"TRAINER_SAMPLES": "true", "TRAINER_LOG_FORMAT": "json"}
    monkeypatch.setenv(name, values.get(name, "something"))
    field = next(field for field in Environment.model_fields if variable_name(field) == name)
    expected: object = True if name == "TRAINER_SAMPLES" else values.get(name, "something")
    assert getattr(read_environment(), field) == expected


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_LOG_FORMAT", "")
    assert read_environment().log_format == "text"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with pytest.raises(ConfigurationError, match=r"MLFLOW_TRACKING_URI: field required; `source \.airflow/env`"):
        read_environment()


def test_every_wrong_variable_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_SAMPLES", "perhaps-a-secret")
    monkeypatch.setenv("TRAINER_LOG_FORMAT", "xml-a-secret")
    with pytest.raises(
        ConfigurationError, match=r"TRAINER_SAMPLES: .*boolean.*; TRAINER_LOG_FORMAT: .*'json'"
    ) as caught:
        read_environment()
    assert "a-secret" not in str(caught.value)


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_a_single_variable_needs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert variable("code") == ""
    monkeypatch.setenv("TRAINER_CODE", "/code")
    assert variable("code") == "/code"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"GIT_USERNAME": "anna", "GIT_PASSWORD": "pa55word\n"}, ("anna", "pa55word"), id="both"),
        pytest.param({"GIT_PASSWORD": "token1"}, ("git", "token1"), id="token"),
        pytest.param({"GIT_USERNAME": "anna"}, ("", ""), id="no-password"),
        pytest.param({}, ("", ""), id="none"),
    ],
)
def test_the_login_of_a_repository(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[str, str]
) -> None:
    for name in ("GIT_USERNAME", "GIT_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert git_login() == expected


def test_git_sees_how_to_reach_servers_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    monkeypatch.setenv("GIT_SSH_COMMAND", "planted")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    found = git_environment()
    assert found["https_proxy"] == "http://proxy:3128"
    assert "planted" not in found.values()
