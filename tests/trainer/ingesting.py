"""Ingesting a source as a run does, and what must be left of it after an error."""

from __future__ import annotations

from typing import Any

import mlflow

from trainer.commands.step import run_step
from trainer.pipeline import pipeline_of
from trainer.run import RunFolder
from trainer.run.records import IngestResult

PIPELINE: dict[str, Any] = {
    "name": "leavers",
    "description": "who leaves",
    "problem": "binary_classification",
    "columns": {"target": "y", "positive": "yes"},
    "algorithms": {"logistic": {"KIND": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"}},
    "tuning": {"metric": "auc_roc"},
    "gates": {"against_production": {"metric": "auc_roc"}},
    "registry": {"model": "leavers", "experiment": "leavers"},
}


def run_folder(surroundings: Any) -> RunFolder:
    """The run folder of these tests."""
    return RunFolder.open(f"file://{surroundings.home}/runs/leavers/run-1")


def try_to_ingest(surroundings: Any, source: Any) -> IngestResult:
    """Start a run of a source and ingest it; raises what the steps raise."""
    folder = run_folder(surroundings)
    pipeline = pipeline_of({**PIPELINE, "source": source.model_dump(mode="json")})
    run_step("start", folder, pipeline)
    run_step("ingest", folder, folder.pipeline())
    return folder.at("ingest").result(IngestResult)


def nothing_is_left(surroundings: Any) -> None:
    """No snapshot, not even half of one, and nothing registered."""
    folder = run_folder(surroundings)
    left = {str(path).rpartition("/")[2] for path in folder.filesystem.find(folder.at("ingest").path())}
    assert left <= {"failure.json"}
    assert not any(".tmp-" in str(path) for path in folder.filesystem.find(folder.root, withdirs=True))
    assert not mlflow.MlflowClient(surroundings.tracking_uri).search_registered_models()
