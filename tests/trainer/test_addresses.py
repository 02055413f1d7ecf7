"""Secrets in addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import changed
from trainer.addresses import secret_in, without_login
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, parse_pipeline
from trainer.run import RunFolder

SECRET = "s3cr3t-value"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("telco/churn.csv", ""), ("s3://lake/x.csv", ""), ("abfs://lake@account/x.csv", ""), ("https://h/x?page=2", ""),
        ("http://[broken", ""), (f"https://anna:{SECRET}@h/x.csv", "a password"), (f"s3://k:{SECRET}@b/x", "a password"),
        (f"https://{SECRET}@h/x.csv", "a user name or a token"),
        (f"https://h/x?X-Amz-Signature={SECRET}", "a secret (X-Amz-Signature)"), (f"https://h/x?sig={SECRET}", "a secret (sig)"),
        *((f"https://h/x?page=2&{name}={SECRET}", f"a secret ({name})") for name in ("pass", "db_pass", "jwt", "code", "PWD")),
        (f"https://h/x#token={SECRET}", "a secret (token)"), (f"https://h/x#access_token={SECRET}&state=1", "a secret (access_token)"),
        ("https://h/x?bypass=1&compass=north&encode=utf-8&zipcode=1#part-2", ""),
    ],
)  # fmt: skip
def test_what_in_an_address_is_a_secret(address: str, found: str) -> None:
    assert secret_in(address) == found


def test_a_login_is_taken_out_of_an_address() -> None:
    assert without_login("http://a:b%2Fc@h:1/x") == ("http://h:1/x", "a", "b/c")
    assert without_login("sqlite:////tmp/x.db") == ("sqlite:////tmp/x.db", "", "")


@pytest.mark.parametrize("uri", [f"https://anna:{SECRET}@h/x.csv", f"https://h/x.csv?X-Amz-Signature={SECRET}"])
def test_a_pipeline_with_a_secret_in_its_source_is_refused_without_saying_it(uri: str, churn: Pipeline) -> None:
    text = churn.to_yaml().replace(str(churn.source.uri), uri)  # type: ignore[union-attr]
    with pytest.raises(ConfigurationError, match="source.uri: holds a .*put credentials into a connection") as raised:
        parse_pipeline(text, "churn.yaml")
    assert SECRET not in str(raised.value)


def test_a_run_folder_with_a_password_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the run folder's address holds a password") as raised:
        RunFolder.open(f"s3://key:{SECRET}@bucket/run")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("name", ["TRAINER_DATA_STORE", "TRAINER_ARTIFACT_LOCATION"])
def test_a_store_with_a_password_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.environment import read_environment

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    monkeypatch.setenv(name, f"https://anna:{SECRET}@h/data")
    with pytest.raises(ConfigurationError, match=f"{name}: holds a password") as raised:
        read_environment()
    assert SECRET not in str(raised.value)


def test_a_tracking_server_is_addressed_without_its_login(surroundings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    import mlflow

    from trainer.registry.tracking import connect

    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://anna:{SECRET}@127.0.0.1:1")
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    try:
        connect()
        assert mlflow.get_tracking_uri() == "http://127.0.0.1:1"
        assert os.environ["MLFLOW_TRACKING_PASSWORD"] == SECRET
    finally:
        mlflow.set_tracking_uri(before)


def test_the_sample_is_no_secret(small_churn: Pipeline) -> None:
    assert changed(small_churn).source.KIND == "sample"
