"""`make run` beside `make ui`: never are the tasks of one run taken by two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.environment.settings import load_settings
from include.laptop.ui_lock import lock_file, only_one_here, refuse_beside_scheduler
from tests.server import free_port
from tests.web_server import WebFile
from trainer.errors import ConfigurationError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINES_HOME", str(tmp_path))
    load_settings.cache_clear()


def address_of(server: WebFile) -> str:
    return server.address.rpartition("/")[0]


def test_a_second_ui_is_refused_and_the_first_keeps_its_address() -> None:
    with only_one_here("http://127.0.0.1:8080"):
        with pytest.raises(ConfigurationError, match="`make ui` runs already"), only_one_here("http://127.0.0.1:9090"):
            pass
        assert lock_file().read_text() == "http://127.0.0.1:8080"


@pytest.mark.parametrize("paused", [True, False])
def test_a_run_is_refused_if_the_scheduler_would_take_its_tasks(web_file: WebFile, *, paused: bool) -> None:
    web_file.content = json.dumps({"is_paused": paused}).encode()
    refuse_beside_scheduler("churn_training")  # there is no other
    with only_one_here(address_of(web_file)):
        if paused:
            refuse_beside_scheduler("churn_training")
            return
        with pytest.raises(ConfigurationError, match="churn_training is not paused there") as refused:
            refuse_beside_scheduler("churn_training")
    assert f"the form at {address_of(web_file)}/dags/churn_training" in str(refused.value)
    refuse_beside_scheduler("churn_training")  # `make ui` has ended


def test_a_dag_that_the_scheduler_does_not_know_is_run(web_file: WebFile) -> None:
    web_file.statuses = [404]
    with only_one_here(address_of(web_file)):
        refuse_beside_scheduler("new_training")


def test_in_doubt_nothing_is_run() -> None:
    with (
        only_one_here(f"http://127.0.0.1:{free_port()}"),
        pytest.raises(ConfigurationError, match="does not answer .* wait until it does, or end it"),
    ):
        refuse_beside_scheduler("churn_training")
