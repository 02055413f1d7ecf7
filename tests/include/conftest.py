"""An environment of the test's own on Airflow's side, and runs that have come a certain way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.environment.settings import load_settings
from trainer.decision import decide_run
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.run.execute import execute
from trainer.run.records import Compared, EvaluateResult, StartResult


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that `{home}` stands for, in the environment `development`; settings are read anew."""
    monkeypatch.setenv("PIPELINES_HOME", str(tmp_path))
    monkeypatch.setenv("PIPELINES_ENVIRONMENT", "development")
    load_settings.cache_clear()
    yield tmp_path
    load_settings.cache_clear()


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes another environment the current one."""

    def enter(name: str) -> None:
        monkeypatch.setenv("PIPELINES_ENVIRONMENT", name)
        load_settings.cache_clear()

    return enter


@pytest.fixture
def begin() -> Callable[[RunFolder, Pipeline], RunFolder]:
    """Gives a run folder what the step `start` leaves in it."""

    def begin(run: RunFolder, pipeline: Pipeline) -> RunFolder:
        run.write_text("pipeline.yaml", pipeline.to_yaml())
        run.at("start").finish(
            StartResult(
                started_at="2026-01-04T02:00:00+00:00",
                run_id="mlflow-run",
                experiment_id="1",
                airflow_run_id="manual__1",
                git_commit="",
                image="",
                source="sample://telco",
                sample=True,
            )
        )
        return run

    return begin


@pytest.fixture
def evaluate() -> Callable[..., RunFolder]:
    """Gives a run folder what the step `evaluate` leaves in it."""

    def evaluate(run: RunFolder, auc_roc: float, production: str = "", gain: float = 0.0) -> RunFolder:
        compared = Compared(
            metric="auc_roc", challenger=auc_roc, production=auc_roc - gain, gain=gain,
            lower=gain - 0.01, upper=gain + 0.01, rows=300, rows_left_out=0,
        )  # fmt: skip
        run.at("evaluate").finish(
            EvaluateResult(
                winner="logistic",
                candidates=[],
                model_uri="models:/m-1",
                model_id="m-1",
                run_id="mlflow-run",
                test_rows=300,
                metrics={"auc_roc": auc_roc},
                production_version=production,
                comparison=compared if production else None,
            )
        )
        return run

    return evaluate


@pytest.fixture
def kept_run(
    home: Path, small_churn: Pipeline, begin: Callable[..., RunFolder], evaluate: Callable[..., RunFolder]
) -> RunFolder:
    """A run whose challenger passed and is not shown to be better than production."""
    run = begin(RunFolder.open(f"file://{home}/.runs/churn/manual__1-a1b2c3"), small_churn)
    evaluate(run, auc_roc=0.81, production="7")
    execute(decide_run, small_churn, run.at("decide"))
    return run
