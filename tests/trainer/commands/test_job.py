"""`trainer run`: a job from its own YAML, with addresses as a pipeline's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.world import PROJECT
from trainer.__main__ import main
from trainer.pipeline import parse_yaml
from trainer.training.source_job import TrainingJob, load_job

JOBS = sorted((PROJECT / "include" / "jobs").glob("*.yaml"))
JOB = {
    "KIND": "training",
    "run_config": {"experiment": "leavers", "name": "by-hand"},
    "problem": "binary_classification",
    "target": "Churn",
    "positive": "Yes",
    "id": "customerID",
    "exclude": ["Churn"],
    "model": {"KIND": "sklearn", "estimator": "sklearn.tree.DecisionTreeClassifier", "params": {"max_depth": 2}},
    "splitter": {"KIND": "random", "stratify": True},
}


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job on rows whose address is relative to the data store."""
    from trainer.sources.samples.telco import generate_telco

    generate_telco(500, 42, 0.0).frame.write_csv(tmp_path / "rows.csv")
    reading = {"KIND": "csv", "uri": "rows.csv", "missing": [" "], "types": {"TotalCharges": "float"}}
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump({**JOB, "inputs": reading, "targets": reading}))
    return file


def test_relative_addresses_are_below_the_data_store(
    surroundings: Any, client: Any, job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_DATA_STORE", job.parent.as_uri())
    assert main(["run", str(job)]) == 0
    (experiment,) = client.search_experiments(filter_string="name = 'leavers'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert 0.5 < run.data.metrics["test_auc_roc"] <= 1


def test_a_relative_address_needs_a_data_store(
    surroundings: Any, job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TRAINER_DATA_STORE", raising=False)
    assert main(["run", str(job)]) == 2
    assert "source.uri 'rows.csv' is relative, and the environment names no data store" in capsys.readouterr().out


@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.stem)
def test_a_job_that_ships_shows_every_part(file: Path) -> None:
    document = parse_yaml(file.read_text(), str(file))
    job = load_job(document, str(file))
    assert {*TrainingJob.model_fields} - {*document} <= {"positive", "cut_off"}  # a regression has neither
    assert job.targets == job.inputs


def test_a_job_ships() -> None:
    assert [file.stem for file in JOBS] == ["bikes"]
