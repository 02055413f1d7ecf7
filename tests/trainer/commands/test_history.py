"""`trainer history MODEL`."""

from __future__ import annotations

import json

import pytest
from mlflow import MlflowClient

from tests.trainer.registry.test_history import MODEL, client, promote  # noqa: F401  (a fixture)
from trainer.__main__ import main
from trainer.registry.promotion import roll_back
from trainer.registry.versions import PRODUCTION

Said = pytest.CaptureFixture[str]


def test_the_moves_as_text(client: MlflowClient, capsys: Said) -> None:  # noqa: F811
    promote(client, "1")
    promote(client, "2", "1")
    roll_back(client, MODEL, "2")
    assert main(["history", MODEL]) == 0
    lines = [line[31:] if line[0] == "2" else line for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("promotion  none → version 1  (until 20")
    assert lines[1:3] == ["    by: run-1", "    why: better"]
    assert lines[3].startswith("promotion  version 1 → version 2  (until 20")
    assert lines[6:] == ["rollback   version 2 → version 1  (is production)", "    by: alice on here"]


def test_the_moves_as_json(client: MlflowClient, capsys: Said) -> None:  # noqa: F811
    promote(client, "1")
    assert main(["history", MODEL, "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["kind"], entry["version"], entry["by"], entry["completed"]) == ("promotion", "1", "run-1", True)


def test_what_is_not_recorded_is_said_to_be_so(client: MlflowClient, capsys: Said) -> None:  # noqa: F811
    assert main(["history", MODEL]) == 0
    assert capsys.readouterr().out == f"{MODEL}: no version has been production\n"
    client.set_registered_model_alias(MODEL, PRODUCTION, "1")
    assert main(["history", MODEL]) == 0
    first, why = capsys.readouterr().out.splitlines()
    assert first.split(None, 1) == ["unknown", "by hand    none → version 1  (is production)"]
    assert why.startswith("    why: not recorded: moved in MLflow itself")


def test_an_unknown_model(client: MlflowClient, capsys: Said) -> None:  # noqa: F811
    assert main(["history", "churn"]) == 2
    assert capsys.readouterr().out == ""
