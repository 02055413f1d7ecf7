"""Deployment to a router on this machine: what is wrong with it is said, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.deployment.local_target import LocalTarget, answers_in
from trainer.deployment.targets import target_of
from trainer.errors import ConfigurationError, ModelRefusedError, OutageError
from trainer.serving.state import ADDRESS_FILE, RouterAddress, write


def test_no_router_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no router of churn runs .*start it with `make serve"):
        target_of(f"local://{tmp_path}", "churn").state()


def test_a_router_that_was_killed(tmp_path: Path) -> None:
    address = RouterAddress(url="http://127.0.0.1:9", token="secret-token", pid=1)
    write(tmp_path / "churn", ADDRESS_FILE, address)
    with pytest.raises(OutageError, match="its router at http://127.0.0.1:9 does not answer") as error:
        LocalTarget(str(tmp_path), "churn").state()
    assert "secret-token" not in str(error.value)


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "churn").mkdir()
    (tmp_path / "churn" / ADDRESS_FILE).write_text("{")
    with pytest.raises(ConfigurationError, match=r"router\.json cannot be read"):
        LocalTarget(str(tmp_path), "churn").state()


@pytest.mark.parametrize("address", ["", "local://", "nowhere://x"])
def test_a_target_that_is_none(address: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a target to deploy to"):
        target_of(address, "churn")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, '{"message": "Model is missing inputs"}', "with status 400: .*Model is missing inputs"),
        (200, "<html>", "something else than predictions: <html>"),
        (200, '{"predictions": [{}]}', "was asked for 2 rows and answers otherwise"),
        (200, '{"predictions": [1, 2]}', "was asked for 2 rows and answers otherwise"),
    ],
)
def test_answers_that_are_none(status: int, body: str, says: str) -> None:
    with pytest.raises(ModelRefusedError, match=f"churn version 3 .*{says}"):
        answers_in("churn version 3", status, body, 2)
