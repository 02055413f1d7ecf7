"""The step `start`: the pipeline is frozen, and one parent run is opened, however often it starts."""

from __future__ import annotations

import pytest
from mlflow.entities import Run

from trainer.commands.step import run_step
from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import Pipeline
from trainer.registry.tracking import PIPELINE_TAG, RUN_KEY_TAG, child_run, close_running, connect
from trainer.run import RunFolder
from trainer.run.records import StartResult


@pytest.fixture
def folder(surroundings) -> RunFolder:
    return RunFolder.open(f"file://{surroundings.home}/runs/churn/run-1")


def start(folder: RunFolder, pipeline: Pipeline) -> StartResult:
    run_step("start", folder, pipeline)
    return folder.at("start").result(StartResult)


def runs_of(folder: RunFolder) -> list[Run]:
    experiments = [experiment.experiment_id for experiment in connect().search_experiments()]
    return list(connect().search_runs(experiments, f"tags.`{RUN_KEY_TAG}` = '{folder.key}'"))


def test_the_pipeline_is_frozen_as_this_run_uses_it(folder: RunFolder, quick_churn: Pipeline) -> None:
    start(folder, quick_churn.for_run({"trials": 2, "note": "by hand"}))
    frozen = folder.pipeline()
    assert frozen.tuning.trials == 2
    assert frozen.run.note == "by hand"
    assert frozen.registry.model == "churn-predictor-sample"
    assert frozen.source == quick_churn.source


def test_the_parent_run_says_what_it_is(
    folder: RunFolder, quick_churn: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_AIRFLOW_RUN_ID", "manual__1")
    monkeypatch.setenv("TRAINER_GIT_COMMIT", "0123abc")
    monkeypatch.setenv("TRAINER_IMAGE", "trainer:1")
    result = start(folder, quick_churn.for_run({"note": "by hand"}))
    (run,) = runs_of(folder)
    assert (run.info.run_id, run.info.status) == (result.run_id, "RUNNING")
    assert run.info.run_name == "churn_model_training"
    expected = {
        "trainer.pipeline": "churn",
        "trainer.airflow_run_id": "manual__1",
        "trainer.image": "trainer:1",
        "trainer.run_folder": folder.uri,
        "code.git_commit": "0123abc",
        "trainer.git_commit": "0123abc",
        "mlflow.note.content": "by hand",
    }
    assert run.data.tags.items() >= expected.items()
    assert "code.repository" not in run.data.tags
    assert (result.airflow_run_id, result.git_commit, result.image) == ("manual__1", "0123abc", "trainer:1")
    assert result.sample
    assert result.source.startswith("sample://telco?rows=1500")


def test_the_commit_of_the_checkout_is_known(folder: RunFolder, quick_churn: Pipeline) -> None:
    assert len(start(folder, quick_churn).git_commit.removesuffix("-dirty")) == 40


def test_started_twice_there_is_one_parent_run(folder: RunFolder, quick_churn: Pipeline) -> None:
    first = start(folder, quick_churn)
    connect().set_terminated(first.run_id, "FAILED")
    second = start(folder, quick_churn)
    assert first.run_id == second.run_id
    (run,) = runs_of(folder)
    assert run.info.status == "RUNNING"


def test_another_run_has_another_parent_in_the_same_experiment(folder: RunFolder, quick_churn: Pipeline) -> None:
    other = RunFolder.open(folder.uri.replace("run-1", "run-2"))
    first, second = start(folder, quick_churn), start(other, quick_churn)
    assert first.run_id != second.run_id
    assert first.experiment_id == second.experiment_id


def test_what_a_killed_try_left_running_is_closed_by_the_next(folder: RunFolder, quick_churn: Pipeline) -> None:
    result = start(folder, quick_churn)
    client = connect()
    parent = client.get_run(result.run_id)
    tags = {PIPELINE_TAG: "churn", RUN_KEY_TAG: folder.key, "trainer.task": "train logistic"}
    left = client.create_run(result.experiment_id, tags=tags)
    other = client.create_run(result.experiment_id, tags={**tags, "trainer.task": "train forest"})
    of_another_pipeline = client.create_run(result.experiment_id, tags={**tags, PIPELINE_TAG: "churn_eu"})
    with child_run(
        client, parent, folder.at("train", "logistic"), "churn_logistic", {"algorithm": "logistic"}
    ) as child:
        statuses = {run.info.run_id: run.info.status for run in runs_of(folder)}
    assert statuses == {
        result.run_id: "RUNNING",
        left.info.run_id: "KILLED",
        other.info.run_id: "RUNNING",  # another algorithm's, which may be at work
        of_another_pipeline.info.run_id: "RUNNING",
        child.info.run_id: "RUNNING",
    }
    child = client.get_run(child.info.run_id)
    assert child.info.status == "FINISHED"
    assert child.data.tags["mlflow.parentRunId"] == result.run_id
    assert child.data.tags["trainer.pipeline"] == "churn"


def test_pipelines_that_share_an_experiment_and_a_run_key_have_a_run_each(
    folder: RunFolder, quick_churn: Pipeline
) -> None:
    first = start(folder, quick_churn)
    of_other = RunFolder.open(folder.uri.replace("/churn/", "/churn_eu/"))
    second = start(of_other, quick_churn.model_copy(update={"name": "churn_eu"}))
    assert (first.experiment_id, folder.key) == (second.experiment_id, of_other.key)
    assert first.run_id != second.run_id
    close_running(connect(), second.experiment_id, "churn_eu", of_other.key)
    assert {run.info.run_id: run.info.status for run in runs_of(folder)} == {
        first.run_id: "RUNNING",
        second.run_id: "KILLED",
    }


def test_a_folder_of_another_airflow_run_is_left_as_it_is(
    folder: RunFolder, quick_churn: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_AIRFLOW_RUN_ID", "manual__1")
    first = start(folder, quick_churn)
    monkeypatch.setenv("TRAINER_AIRFLOW_RUN_ID", "manual__2")
    with pytest.raises(ConfigurationError, match=r"belongs to the Airflow run 'manual__1', not to 'manual__2'; start"):
        start(folder, quick_churn)
    assert folder.at("start").result(StartResult) == first
    assert folder.at("start").failure() is None


def test_the_newest_run_is_linked(folder: RunFolder, quick_churn: Pipeline, surroundings) -> None:
    start(folder, quick_churn)
    assert (surroundings.runs / "latest" / "pipeline.yaml").is_file()
    start(RunFolder.open(folder.uri.replace("run-1", "run-2")), quick_churn)
    assert (surroundings.runs / "latest").resolve().name == "run-2"


def test_without_data_nothing_starts(folder: RunFolder, churn: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINER_SAMPLES")
    with pytest.raises(DataValidationError, match="this environment allows no built-in sample"):
        run_step("start", folder, churn)
    failure = folder.at("start").failure()
    assert failure is not None
    assert (failure.error, failure.exit_code) == ("DataValidationError", 3)
