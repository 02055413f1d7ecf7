"""Runs that tests of steps start from: built once, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from tests.conftest import changed
from tests.records import change_record
from tests.shared import BuiltOnce
from tests.trainer.serving.router_world import RouterWorld
from tests.world import ALGORITHM, LOGISTIC, QUICK, Home
from tests.world import quick_churn as quick_churn_of
from trainer.commands.step import run_step
from trainer.pipeline import Pipeline, SampleSource, pipeline_of
from trainer.registry.origin import recorded_digest
from trainer.run import RunFolder
from trainer.sources.readers import read_source

if TYPE_CHECKING:
    from tests.trainer.steps.deployments import Deployments

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


@dataclass(frozen=True)
class Scoring(Runs):
    """A home whose version 1 is production, rows to score in `data/new.parquet`, and a run that has scored them."""

    @property
    def run(self) -> RunFolder:
        """The scoring run."""
        return self.at("scoring-1")

    @property
    def rows_file(self) -> Path:
        return self.home / "data" / "new.parquet"

    @property
    def rows(self) -> pl.DataFrame:
        """The rows to score, as they are in the source."""
        return pl.read_parquet(self.rows_file)

    @property
    def published(self) -> pl.DataFrame:
        """What everybody sees in the output: all rows of all runs."""
        return pl.read_parquet(f"{self.home}/data/scores/*.parquet")

    def write(self, rows: pl.DataFrame) -> None:
        """Replace the rows to score."""
        rows.write_parquet(self.rows_file)

    def begin(self, key: str = "scoring-2", **scoring: Any) -> RunFolder:
        """Run the step `start_scoring` of a run, with other keys in the section `scoring`."""
        section = {**self.pipeline.model_dump(mode="json")["scoring"], **scoring}
        pipeline = pipeline_of({**self.pipeline.model_dump(mode="json"), "scoring": section})
        self.step("start_scoring", key=key, pipeline=pipeline)
        return self.at(key)

    def steps(self, *names: str, key: str = "scoring-2") -> None:
        for name in names:
            self.step(name, key=key)


SCORED_STEPS = ("start_scoring", "read_rows", "check_rows", "score")


def with_scoring(pipeline: Pipeline) -> Pipeline:
    """The pipeline with rows to score in a file, which are renamed and typed as those to train on."""
    output = {"KIND": "parquet", "uri": "scores"}
    section = {"source": {"KIND": "parquet", "uri": "new.parquet"}, "output": output}
    registry = {**pipeline.registry.model_dump(mode="json"), "model": "churn-predictor-sample"}  # rows of a real file
    return changed(pipeline, scoring=section, registry=registry)


@pytest.fixture(scope="session")
def scoring_home(built_once: BuiltOnce, standing_in: Any, session_churn: Pipeline, accepted_home: Path) -> Path:
    """A home whose first version is production, and a run that has scored 200 rows, not published yet."""

    def fill(home: Path) -> None:
        with standing_in(_copied(accepted_home, home)):
            Runs(home, session_churn).step("promote")
            runs = Scoring(home, with_scoring(session_churn))
            runs.rows_file.parent.mkdir()
            runs.write(read_source(SampleSource(rows=200, seed=8, missing=[" "]))[0])
            runs.begin("scoring-1")
            runs.steps(*SCORED_STEPS[1:], key="scoring-1")

    return built_once("scoring", fill)


@pytest.fixture
def scoring(scoring_home: Path, tmp_path: Path, standing_in: Any, session_churn: Pipeline) -> Iterator[Scoring]:
    """A run that has scored rows and has not published them, for this test alone."""
    shutil.copytree(scoring_home / "data", tmp_path / "data")
    with standing_in(_copied(scoring_home, tmp_path)):
        runs = Scoring(tmp_path, with_scoring(session_churn))
        frozen = Path(runs.run.root) / "pipeline.yaml"  # its source and output are in the home that was copied
        frozen.write_text(frozen.read_text().replace(str(scoring_home), str(tmp_path)))
        yield runs


def _copied(home: Path, to: Path) -> Path:
    """A copy of a home's database and run folders; logged models stay where they are, and are only read."""
    shutil.copytree(home / "runs", to / "runs", symlinks=True)
    shutil.copytree(home / "studies", to / "studies")
    shutil.copy(home / "mlflow.db", to / "mlflow.db")
    return to


@pytest.fixture
def deployment(
    scoring_home: Path, tmp_path: Path, standing_in: Any, session_churn: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployments]:
    """A deployment of version 2 that has begun, for this test alone."""
    from tests.trainer.steps.deployments import Deployments, with_deployment

    with standing_in(_copied(scoring_home, tmp_path)):
        runs = Runs(tmp_path, session_churn)
        digest = recorded_digest(runs.client, runs.model, "1")
        router = RouterWorld(tmp_path / "serving", runs.model, digest)
        router.open()
        monkeypatch.setenv("TRAINER_SERVING", f"local://{tmp_path}/serving")
        deployments = Deployments(tmp_path, with_deployment(session_churn), router)
        try:
            router.serves(("1", 100))
            deployments.second_version()
            router.behaves("2")
            deployments.begin()
            yield deployments
        finally:
            router.close()
