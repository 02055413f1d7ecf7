"""The step `train`: one child run with all that is known of the candidate."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import pytest
from mlflow.entities import Run

from trainer.errors import ModelTrainingError, StepNotDoneError
from trainer.modalities import modality_of
from trainer.pipeline import CutOff
from trainer.registry.tracking import TASK_TAG
from trainer.run.records import FeaturesResult, IngestResult, StartResult, TrainResult, TuneResult
from trainer.tables.handover import FEATURES, KEY, KEYS, PART, PREDICTIONS
from trainer.tables.parquet import read_table
from trainer.training.run_jobs import rows_of_run


def trained_as(runs: Any) -> TrainResult:
    result: TrainResult = runs.folder.at("train", "logistic").result(TrainResult)
    return result


def children(runs: Any) -> list[Run]:
    """The MLflow runs of the step, the newest first."""
    experiment = runs.folder.at("start").result(StartResult).experiment_id
    return list(runs.client.search_runs([experiment], f"tags.`{TASK_TAG}` = 'train logistic'"))


def test_the_child_run_has_parameters_metrics_and_tags(trained: Any) -> None:
    result, folder = trained_as(trained), trained.folder
    tuned = folder.at("tune", "logistic").result(TuneResult)
    (run,) = children(trained)
    assert (run.info.run_id, run.info.status, run.info.run_name) == (result.run_id, "FINISHED", "churn_logistic")
    assert run.data.params.items() >= {name: str(value) for name, value in tuned.params.items()}.items()
    assert run.data.metrics["validation_auc_roc"] == pytest.approx(result.metrics["auc_roc"])
    assert run.data.metrics["train_auc_roc"] == pytest.approx(result.train_metrics["auc_roc"])
    assert run.data.metrics["cv_auc_roc"] == pytest.approx(tuned.cv_mean)
    assert not [name for name in run.data.metrics if name.startswith("test_")]  # test rows are for `evaluate`
    expected = {
        "mlflow.parentRunId": folder.at("start").result(StartResult).run_id,
        "trainer.run_key": "run-1",
        "trainer.pipeline": "churn",
        "algorithm": "logistic",
        "data.digest": folder.at("ingest").result(IngestResult).digest,
        "study": tuned.study,
        "study_trials": "3",
        "model_uri": result.model_uri,
    }
    assert run.data.tags.items() >= expected.items()


def test_the_cut_off_follows_the_pipelines_rule(trained: Any) -> None:
    best_f1 = trained_as(trained).cut_off
    rule = CutOff(false_positive=1, false_negative=20)
    job = modality_of(trained.frozen).job(
        trained.frozen.model_copy(update={"cut_off": rule}), trained.folder.at("train", "logistic"), "logistic", {}
    )
    assert job.cut_off == rule
    result = job.run_on(rows_of_run(trained.frozen, trained.folder.at("train", "logistic")))
    assert 0 < result.cut_off < best_f1  # type: ignore[operator]


def test_the_child_run_says_what_pins_the_data(trained: Any) -> None:
    pins = {"dvc.hash": "0" * 32, "data.remote": f"s3://lake/files/md5/00/{'0' * 30}", "dvc.commit": "1" * 40}
    trained.edit("ingest", tags=pins)
    trained.step("train", "logistic")
    assert children(trained)[0].data.tags.items() >= pins.items()


def test_the_child_run_has_the_costs_of_training_and_of_tuning(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CORES": "0.5", "CPU_CORE_HOUR_RATE": "7200", "GPU_HOUR_RATE": "3600", "GPUS": "2"}.items():
        monkeypatch.setenv(f"TRAINER_{name}", value)  # a dollar for a second of the half core, two for the GPUs
    trained.step("tune", "logistic")
    trained.step("train", "logistic")
    (run, _) = children(trained)
    tuned, result = trained.folder.at("tune", "logistic").result(TuneResult), trained_as(trained)
    costs = {name: value for name, value in run.data.metrics.items() if name.startswith("cost_")}
    assert {*costs} == {"cost_cpu_usd", "cost_gpu_usd", "cost_total_usd", "cost_tuning_usd"}
    assert costs["cost_tuning_usd"] == pytest.approx(tuned.cost_usd)
    assert costs["cost_gpu_usd"] == pytest.approx(2 * costs["cost_cpu_usd"])
    assert costs["cost_total_usd"] == pytest.approx(3 * costs["cost_cpu_usd"])
    assert 0 < costs["cost_cpu_usd"] <= result.seconds  # the step is more than the job that it runs
    assert result.cost_usd == pytest.approx(3 * result.seconds)


def test_the_data_sets_are_recorded(trained: Any) -> None:
    (run,) = children(trained)
    sources = [json.loads(each.dataset.source) for each in run.inputs.dataset_inputs]
    table = trained.folder.at("engineer_features").result(FeaturesResult).table
    assert len(sources) == 2
    assert all(table.endswith("/runs/churn/run-1/engineer_features/features.parquet") for _ in sources)
    assert all("features.parquet" in str(source) for source in sources)


def test_rows_are_those_of_the_run_folder(trained: Any) -> None:
    features = trained.folder.at("engineer_features").result(FeaturesResult)
    keys = read_table(trained.folder.at("engineer_features"), KEYS)
    with rows_of_run(trained.folder.pipeline(), trained.folder, ("train", "validation")) as split:
        learned = split.table.rows("train")
        assert learned.is_chosen.to_list() == (keys[PART] != "test").to_list()
        assert learned.collect().columns == [*features.inputs, *features.for_features]
        assert split.table.targets_of("train").len() == features.rows["train"] + features.rows["validation"]
        table = trained.folder.at("engineer_features").uri_of(FEATURES)
        assert split.inputs_from.source == split.targets_from.source == table


def test_predictions_are_kept_with_the_key_of_their_row(trained: Any) -> None:
    predictions = read_table(trained.folder.at("train", "logistic"), PREDICTIONS)
    keys = read_table(trained.folder.at("engineer_features"), KEYS)
    assert predictions.columns == [KEY, PART, "prediction", "probability"]
    expected = keys.filter(keys[PART] != "test")
    assert predictions.select(KEY, PART).sort(KEY).equals(expected.sort(KEY))


def test_trained_again_it_is_the_same_model_in_a_run_of_its_own(trained: Any, caplog: pytest.LogCaptureFixture) -> None:
    first, before = trained_as(trained), read_table(trained.folder.at("train", "logistic"), PREDICTIONS)
    left = trained.client.create_run(
        trained.folder.at("start").result(StartResult).experiment_id,
        tags={"trainer.pipeline": "churn", "trainer.run_key": "run-1", TASK_TAG: "train logistic"},
    )
    with caplog.at_level(logging.INFO, logger="trainer"):
        trained.step("train", "logistic")
    again = trained_as(trained)
    assert again.run_id != first.run_id
    assert again.model_id != first.model_id
    assert again.metrics == pytest.approx(first.metrics)
    assert read_table(trained.folder.at("train", "logistic"), PREDICTIONS).equals(before)
    statuses = {run.info.run_id: run.info.status for run in children(trained)}
    assert statuses == {first.run_id: "FINISHED", again.run_id: "FINISHED", left.info.run_id: "KILLED"}
    (record,) = [record for record in caplog.records if record.message == "model trained"]
    assert record.__dict__["model_name"] == "churn-predictor-sample/logistic"
    assert record.__dict__["auc_roc"] == again.metrics["auc_roc"]


def test_constants_that_differ_in_their_last_digit_are_the_same(trained: Any) -> None:
    (name, value), *_ = trained.folder.at("engineer_features").result(FeaturesResult).constants.items()
    trained.edit("engineer_features", constants={name: math.nextafter(value, math.inf)})
    trained.step("train", "logistic")
    assert trained_as(trained).algorithm == "logistic"


def test_constants_must_be_those_of_the_features(trained: Any) -> None:
    trained.edit("engineer_features", constants={"median_charges": 1.0})
    with pytest.raises(ModelTrainingError, match=r"feature constants differ between features .* and training"):
        trained.step("train", "logistic")
    assert children(trained)[0].info.status == "FAILED"
    with pytest.raises(StepNotDoneError):
        trained_as(trained)


def test_parameters_that_do_not_fit_fail_the_step_and_its_run(trained: Any) -> None:
    folder = trained.folder.at("tune", "logistic")
    folder.write_json("result.json", {**json.loads(folder.read_text("result.json")), "params": {"C": -1.0}})
    with pytest.raises(ModelTrainingError, match="LogisticRegression could not be fitted"):
        trained.step("train", "logistic")
    failure = trained.folder.at("train", "logistic").failure()
    assert failure is not None
    assert (failure.error, failure.exit_code) == ("ModelTrainingError", 1)
    assert "while training" in failure.message.splitlines()
    assert children(trained)[0].info.status == "FAILED"
