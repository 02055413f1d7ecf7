"""Worlds to break: made once by a real run, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.environment.settings import load_settings
from tests.faults.harness import DATA, ROWS, World, settle
from tests.mailbox import Mailbox
from tests.shared import BuiltOnce
from tests.world import QUICK, churn_document


@pytest.fixture(scope="session")
def churn_text() -> str:
    """The churn pipeline on a file, with one quick algorithm; no sample may stand in."""
    document = churn_document(**QUICK)
    document["source"] |= {"uri": str(DATA), "sample": None}
    return yaml.safe_dump(document, sort_keys=False)


@pytest.fixture(scope="session")
def intact(built_once: BuiltOnce, airflow_home: Path, empty_mlflow_store: Path, churn_text: str) -> Path:
    """A home in which a whole run has made version 1 `production`."""

    def fill(home: Path) -> None:
        from trainer.sources.samples.telco import generate_telco

        (home / ".data").mkdir()
        (home / ".mlflow").mkdir()
        generate_telco(ROWS, 42, 0.0).frame.write_csv(home / ".data" / DATA)
        shutil.copy(empty_mlflow_store, home / ".mlflow" / "mlflow.db")
        with Mailbox() as mailbox, pytest.MonkeyPatch.context() as patch:
            settle(home, mailbox.port, patch)
            world = World(home, mailbox, churn_text)
            ended = world.run(run_id="manual__before")
            assert ended.failed is None, ended.failure.message
            assert world.registry == (["churn-predictor/1"], {"production": "1", "staging": "1"})
        load_settings.cache_clear()

    return built_once("intact", fill)


@pytest.fixture
def world(intact: Path, tmp_path: Path, mailbox: Mailbox, churn_text: str, monkeypatch: Any) -> Iterator[World]:
    """A world of the test's own; what production was made of stays where it was made, and is only read."""
    shutil.copytree(intact / ".data", tmp_path / ".data")
    (tmp_path / ".mlflow").mkdir()
    shutil.copy(intact / ".mlflow" / "mlflow.db", tmp_path / ".mlflow" / "mlflow.db")
    settle(tmp_path, mailbox.port, monkeypatch)
    yield World(tmp_path, mailbox, churn_text)
    load_settings.cache_clear()
