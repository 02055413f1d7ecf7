"""The homes of runs in tests, and the quick pipelines that run in them: what all of them share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from trainer.pipeline import Pipeline, pipeline_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROJECT = Path(__file__).resolve().parent.parent
CHURN = PROJECT / "include" / "pipelines" / "churn.yaml"
ALGORITHM = "logistic"
LOGISTIC: dict[str, Any] = {
    "KIND": "sklearn",
    "estimator": "sklearn.linear_model.LogisticRegression",
    "params": {"solver": "newton-cholesky", "C": 1.0},  # a solver that needs no scaling
    "search": {"C": {"low": 0.01, "high": 10.0, "log": True}},
}
QUICK: dict[str, Any] = {
    "algorithms": {ALGORITHM: LOGISTIC},
    "tuning": {"trials": 2, "folds": 3, "metric": "auc_roc", "startup_trials": 2},
    "gates": {"auc_roc": 0.6, "against_production": {"metric": "auc_roc", "resamples": 200, "min_rows": 30}},
    "acceptance": {},
}
"""The sections of a pipeline that takes seconds: one algorithm, two trials, gates that its model passes."""


def churn_document(**sections: Any) -> dict[str, Any]:
    """The YAML document of the churn pipeline, without what follows a promotion, with other sections."""
    document: dict[str, Any] = yaml.safe_load(CHURN.read_text(encoding="utf-8"))
    del document["scoring"], document["monitoring"], document["deployment"]
    return {**document, **sections}


def small_sample(rows: int = 1500) -> dict[str, Any]:
    """The churn pipeline's source as a small built-in sample."""
    source = churn_document()["source"]
    return {**{name: source[name] for name in ("rename", "types", "missing")}, "KIND": "sample", "rows": rows}


def quick_churn(**sections: Any) -> Pipeline:
    """The churn pipeline on a small sample, made quick, with other sections."""
    return pipeline_of(churn_document(source=small_sample(), **{**QUICK, **sections}))


class Home:
    """A folder with run folders and an MLflow store, and what MLflow has on record there."""

    home: Path

    @property
    def client(self) -> MlflowClient:
        """A client of the store that the environment names."""
        from trainer.registry.tracking import connect

        return connect()

    def all_versions(self) -> list[str]:
        """All versions of all models, as `name/version`."""
        return sorted(f"{found.name}/{found.version}" for found in self.client.search_model_versions())

    def mlflow_runs(self, query: str = "") -> list[Any]:
        """The MLflow runs of all experiments."""
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return list(self.client.search_runs(experiments, query))

    def running(self) -> list[str]:
        """Names of the MLflow runs that are still RUNNING."""
        return [run.info.run_name for run in self.mlflow_runs("attributes.status = 'RUNNING'")]
