"""Runs that tests of steps start from: built once, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import changed
from tests.records import change_record
from tests.shared import BuiltOnce
from tests.world import ALGORITHM, LOGISTIC, QUICK, Home
from tests.world import quick_churn as quick_churn_of
from trainer.commands.step import run_step
from trainer.pipeline import Pipeline
from trainer.run import RunFolder

KEY = "run-1"
TRAINED = (
    ("start", ""),
    ("ingest", ""),
    ("engineer_features", ""),
    ("tune", "logistic"),
    ("train", "logistic"),
    ("refit", ""),
)
ACCEPTED = (("evaluate", ""), ("decide", ""), ("register", ""), ("accept", ""))


@dataclass(frozen=True)
class Runs(Home):
    """A home with MLflow's store and run folders, and the pipeline that the runs are of."""

    home: Path
    pipeline: Pipeline

    @property
    def folder(self) -> RunFolder:
        """The run that was built."""
        return self.at(KEY)

    @property
    def frozen(self) -> Pipeline:
        """The pipeline as the run uses it."""
        return self.folder.pipeline()

    @property
    def model(self) -> str:
        return self.frozen.registry.model

    def at(self, key: str) -> RunFolder:
        return RunFolder.open(f"file://{self.home}/runs/{self.pipeline.name}/{key}")

    def step(self, name: str, algorithm: str = "", *, key: str = KEY, pipeline: Pipeline | None = None) -> None:
        """Run a step of a run, as its own or another pipeline says."""
        run_step(name, self.at(key), pipeline or self.at(key).pipeline(), algorithm)

    def edit(self, name: str, **values: Any) -> None:
        """Change what a step of the run handed over."""
        change_record(self.folder.at(name), **values)

    def another(self, key: str) -> RunFolder:
        """Another run with the same data and the same trained model."""
        shutil.copytree(self.folder.root, self.at(key).root)
        folder = self.at(key)
        for name in ("evaluate", "explain", "decide", "register", "accept", "promote", "publish_features"):
            shutil.rmtree(folder.at(name).path(), ignore_errors=True)
        return folder


def quick(pipeline: Pipeline, **sections: Any) -> Pipeline:
    """The pipeline with one quick algorithm, and other sections."""
    return changed(pipeline, **{"algorithms": {ALGORITHM: LOGISTIC}, **sections})


@pytest.fixture
def quick_churn(small_churn: Pipeline) -> Pipeline:
    """The small churn pipeline with a quick solver."""
    return quick(small_churn)


@pytest.fixture(scope="session")
def session_churn() -> Pipeline:
    """The quick churn pipeline with its expectations on behaviour, for fixtures that outlive a test."""
    return quick_churn_of(tuning={**QUICK["tuning"], "trials": 3})


@pytest.fixture(scope="session")
def trained_home(built_once: BuiltOnce, standing_in: Any, session_churn: Pipeline) -> Path:
    """A home with a run that has come as far as `refit`."""

    def fill(home: Path) -> None:
        runs = Runs(home, session_churn)
        with standing_in(home):
            run_step("start", runs.folder, session_churn)
            for name, algorithm in TRAINED[1:]:
                runs.step(name, algorithm)

    return built_once("trained", fill)


@pytest.fixture(scope="session")
def accepted_home(built_once: BuiltOnce, standing_in: Any, session_churn: Pipeline, trained_home: Path) -> Path:
    """A home with a run that has come as far as `accept`; there was no production."""

    def fill(home: Path) -> None:
        with standing_in(_copied(trained_home, home)):
            for name, algorithm in ACCEPTED:
                Runs(home, session_churn).step(name, algorithm)

    return built_once("accepted", fill)


@pytest.fixture
def trained(trained_home: Path, tmp_path: Path, standing_in: Any, session_churn: Pipeline) -> Iterator[Runs]:
    """A run that has come as far as `refit`, for this test alone."""
    with standing_in(_copied(trained_home, tmp_path)):
        yield Runs(tmp_path, session_churn)


@pytest.fixture
def accepted(accepted_home: Path, tmp_path: Path, standing_in: Any, session_churn: Pipeline) -> Iterator[Runs]:
    """A run that has come as far as `accept`, for this test alone."""
    with standing_in(_copied(accepted_home, tmp_path)):
        yield Runs(tmp_path, session_churn)


def _copied(home: Path, to: Path) -> Path:
    """A copy of a home's database and run folders; logged models stay where they are, and are only read."""
    shutil.copytree(home / "runs", to / "runs", symlinks=True)
    shutil.copytree(home / "studies", to / "studies")
    shutil.copy(home / "mlflow.db", to / "mlflow.db")
    return to
