"""`trainer resolve`: from an alias to the address that KServe takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow import MlflowClient

from trainer.__main__ import main
from trainer.registry.versions import PRODUCTION

MODEL = "churn-predictor"


@pytest.fixture
def stored(client: MlflowClient, register: Any, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Version 1 lies in an object store, and is production."""
    monkeypatch.setenv("TRAINER_ARTIFACT_LOCATION", "s3://models/mlflow")
    register()
    client.set_registered_model_alias(MODEL, PRODUCTION, "1")
    return client


@pytest.mark.parametrize("address", [f"models:/{MODEL}@production", f"models:/{MODEL}/1"])
def test_the_address_of_a_version(stored: MlflowClient, capsys: Any, address: str) -> None:
    assert main(["resolve", address]) == 0
    shown = capsys.readouterr()
    model_id = stored.get_model_version(MODEL, "1").source.rpartition("/")[2]
    assert shown.out == f"s3://models/mlflow/churn/models/{model_id}/artifacts\n"
    assert shown.err == ""


def test_all_that_is_known(stored: MlflowClient, capsys: Any) -> None:
    assert main(["resolve", f"models:/{MODEL}@production", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["model"], record["version"], record["aliases"]) == (MODEL, "1", ["production"])
    assert record["storage_uri"].startswith("s3://models/")


def test_a_folder_of_this_machine_is_said_to_be_one(register: Any, capsys: Any) -> None:
    register()
    assert main(["resolve", f"models:/{MODEL}/1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("file:///")
    assert "is a folder of this machine; a cluster cannot read it" in shown.err


def test_what_only_mlflows_server_can_read_is_no_address(
    register: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRAINER_ARTIFACT_LOCATION", "mlflow-artifacts:/all")
    register()
    assert main(["resolve", f"models:/{MODEL}/1"]) == 2
    assert "which only MLflow's server can read: KServe needs the object store's own address" in caplog.text


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (MODEL, "'churn-predictor' is not like models:/NAME@ALIAS or models:/NAME/VERSION"),
        (f"models:/{MODEL}", "is not like models:/NAME@ALIAS"),
        (
            "models:/churn-predicter@production",
            "no registered model 'churn-predicter'; did you mean 'churn-predictor'?",
        ),
        (f"models:/{MODEL}@champion", "has no alias 'champion'; there are the aliases production → 1"),
        (f"models:/{MODEL}/7", "has no version '7'; there are the versions 1"),
    ],
    ids=["no-address", "no-version", "no-model", "no-alias", "no-such-version"],
)
def test_an_address_that_leads_nowhere(
    stored: MlflowClient, caplog: pytest.LogCaptureFixture, address: str, said: str
) -> None:
    assert main(["resolve", address]) == 2
    assert said in caplog.text
