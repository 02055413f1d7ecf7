"""A model to score in isolation, and the two ways in which its process starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.trainer.isolated.models import ROWS, TARGETS, Logged
from tests.warm import WarmServers
from trainer.isolated import scoring
from trainer.pipeline import AnyAlgorithm, Features, Preprocess, Sklearn
from trainer.problems import problem_of
from trainer.registry.savers import PyFuncSaver
from trainer.registry.signers import SchemaSigner
from trainer.tables.row_subset import all_of
from trainer.training.fitting import fit_pipeline
from trainer.training.services import MlflowService, RunConfig


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, warm: WarmServers, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way the isolated process is started: forked from a server, or as an interpreter of its own."""
    chosen = str(getattr(request, "param", "forked"))
    monkeypatch.setattr(scoring, "_server", lambda: warm.scoring if chosen == "forked" else None)
    return chosen


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, standing_in: Any) -> Iterator[Logged]:
    with standing_in(tmp_path_factory.mktemp("scoring")):
        yield log_model(Sklearn(estimator="sklearn.linear_model.LogisticRegression"))


def log_model(model: AnyAlgorithm) -> Logged:
    """Fit a pipeline on the rows and log it to the store that the environment names."""
    features = Features(fit={"middle": "median(n)"}, derive={"above": "n > middle"})
    both = (all_of(ROWS), TARGETS)
    fitted = fit_pipeline(
        problem_of("binary_classification"),
        model,
        features,
        Preprocess(),
        "yes",
        training=both,
        validation=both,
        seed=1,
        threads=1,
    )
    service = MlflowService()
    service.client()
    with service.run_context(RunConfig(experiment="scoring", name="logging")):
        info = PyFuncSaver().save(fitted, SchemaSigner().sign(ROWS, fitted.predict(ROWS)), ROWS, {})
    return Logged(info.model_uri, Path(mlflow.artifacts.download_artifacts(info.model_uri)), fitted)
