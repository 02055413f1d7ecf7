"""TrainingJob: from a YAML document to a saved and registered model, and each way it can fail."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import polars as pl
import pytest
from pydantic import TypeAdapter

from trainer.errors import ConfigurationError, DataValidationError, ModelTrainingError
from trainer.pipeline import AnyAlgorithm, parse_yaml
from trainer.problems import Problem, problem_of
from trainer.registry.tracking import connect
from trainer.sources.readers import read_source
from trainer.training.job import TrainingResult
from trainer.training.libraries import LIBRARIES
from trainer.training.source_job import TrainingJob, load_job

YAML = """
KIND: training
run_config: {experiment: leavers, name: nightly, tags: {team: mlops}}
problem: binary_classification
inputs: &rows {KIND: csv, uri: ROWS, missing: [" "], types: {TotalCharges: float}}
targets: *rows
target: Churn
positive: "Yes"
id: customerID
exclude: [Churn, gender]
features: {fit: {middle: median(MonthlyCharges)}, derive: {expensive: MonthlyCharges > middle}}
model: {KIND: sklearn, estimator: sklearn.linear_model.LogisticRegression, params: {solver: newton-cholesky, C: 0.5}}
splitter: {KIND: random, validation: 0.2, test: 0.2, stratify: true}
registry: {KIND: mlflow, model: leavers, description: who leaves}
logger: {level: DEBUG}
"""


@dataclass(frozen=True)
class Done:
    job: TrainingJob
    result: TrainingResult
    folder: Path
    messages: list[str]


def write_rows(folder: Path) -> Path:
    from trainer.sources.samples.telco import generate_telco

    file = folder / "rows.csv"
    generate_telco(600, 42, 0.0).frame.write_csv(file)
    return file


def document(rows: Path, **changes: Any) -> dict[str, Any]:
    return {**parse_yaml(YAML.replace("ROWS", str(rows)), "job.yaml"), **changes}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, standing_in: Any) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("job")
    with standing_in(home):
        yield home


@pytest.fixture(scope="module")
def rows(home: Path) -> Path:
    return write_rows(home)


@pytest.fixture(scope="module")
def done(home: Path, rows: Path) -> Done:
    """The job of the YAML, run once."""
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("trainer").addHandler(handler)
    job = load_job(document(rows), "job.yaml")
    result = job.run()
    logging.getLogger("trainer").removeHandler(handler)
    folder = mlflow.artifacts.download_artifacts(result.model_uri, dst_path=str(home / "model"))
    return Done(job, result, Path(folder), heard)


def test_each_part_is_scored_and_logged(done: Done) -> None:
    run = connect().get_run(done.result.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "nightly")
    assert list(done.result.metrics) == ["train", "validation", "test"]
    logged = {f"{part}_{name}": value for part, all_ in done.result.metrics.items() for name, value in all_.items()}
    last = {
        "train_loss": done.result.metrics["train"]["log_loss"],
        "val_loss": done.result.metrics["validation"]["log_loss"],
    }
    curve = {**last, "accuracy": run.data.metrics["accuracy"]}
    assert run.data.metrics == pytest.approx({**logged, **curve})
    assert len(logged) == 3 * 11
    assert 0.7 < done.result.metrics["test"]["auc_roc"] < 0.95


def test_the_curve_of_a_boosted_model_is_in_mlflow_epoch_by_epoch(home: Path, rows: Path) -> None:
    model = {"KIND": "xgboost", "params": {"n_estimators": 40, "max_depth": 3}}
    result = load_job(document(rows, model=model, registry=None), "job.yaml").run()
    client = connect()
    histories = {
        name: client.get_metric_history(result.run_id, name) for name in ("train_loss", "val_loss", "accuracy")
    }
    for points in histories.values():
        assert [point.step for point in points] == list(range(2, 41, 2))
    assert histories["train_loss"][0].value > histories["train_loss"][-1].value
    assert histories["train_loss"][-1].value == pytest.approx(result.metrics["train"]["log_loss"])
    assert histories["val_loss"][-1].value == pytest.approx(result.metrics["validation"]["log_loss"])


MODELS = {
    "xgboost": {"KIND": "xgboost", "params": {"n_estimators": 2}},
    "lightgbm": {"KIND": "lightgbm", "params": {"n_estimators": 2}},
    "forest": {
        "KIND": "sklearn",
        "estimator": "sklearn.ensemble.RandomForestClassifier",
        "params": {"n_estimators": 2},
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_fitted_by_as_many_threads_as_the_pod_has_cores(
    name: str, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    library = LIBRARIES[MODELS[name]["KIND"]]  # type: ignore[index]
    build = library.build

    def watched(algorithm: Any, problem: Problem, seed: int, threads: int) -> Any:
        estimator = build(algorithm, problem, seed, threads)
        built.append(estimator.get_params()["n_jobs"])
        return estimator

    monkeypatch.setattr(library, "build", watched)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)  # of a large node
    monkeypatch.setenv("TRAINER_CORES", "3.5")
    load_job(document(rows, model=MODELS[name], registry=None), "job.yaml").run()
    assert built == [3]


def test_what_a_job_cost_is_logged_and_told(
    rows: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRAINER_CPU_CORE_HOUR_RATE", "36")
    monkeypatch.setenv("TRAINER_CORES", "2")
    with caplog.at_level(logging.INFO, logger="trainer"):
        result = load_job(document(rows, registry=None), "job.yaml").run()
    metrics = connect().get_run(result.run_id).data.metrics
    assert metrics["cost_total_usd"] == metrics["cost_cpu_usd"] > 0
    assert metrics["cost_gpu_usd"] == 0
    assert re.search(r"[\d.]+ s on 2 cores and 0 GPUs cost \$0\.\d+", caplog.text)


def test_without_rates_the_job_says_that_its_cost_is_not_counted(done: Done) -> None:
    assert not [name for name in connect().get_run(done.result.run_id).data.metrics if name.startswith("cost")]
    assert [message for message in done.messages if message.endswith("the cost is not counted, no rates are set")]


def test_parameters_and_tags_are_logged(done: Done) -> None:
    data = connect().get_run(done.result.run_id).data
    assert data.params == {
        "algorithm": "sklearn",
        "seed": "42",
        "device": "cpu",
        "solver": "newton-cholesky",
        "C": "0.5",
    }
    assert data.tags["team"] == "mlops"
    assert data.tags["model_uri"] == done.result.model_uri
    assert data.tags["model_version"] == "1"


def test_where_inputs_and_targets_came_from_is_logged(done: Done, rows: Path) -> None:
    logged = connect().get_run(done.result.run_id).inputs.dataset_inputs
    by_role = {
        next(tag.value for tag in each.tags if tag.key == "mlflow.data.context"): each.dataset for each in logged
    }
    assert by_role.keys() == {"inputs", "targets"}
    assert all(str(rows) in each.source for each in by_role.values())
    columns = {column["name"] for column in json.loads(by_role["inputs"].schema)["mlflow_colspec"]}
    assert {"customerID", "Churn", "tenure"} <= columns


def test_outputs_belong_to_the_rows_of_the_inputs(done: Done) -> None:

    outputs = done.result.outputs
    assert outputs["__row__"].sort().to_list() == list(range(600))
    targets = read_source(done.job.targets)[0]["Churn"]
    test = outputs.tail(120)
    predictions = problem_of("binary_classification").predictions(targets[test["__row__"]], test, "Yes")
    assert problem_of("binary_classification").score(predictions) == pytest.approx(done.result.metrics["test"])


def test_the_model_sees_neither_the_id_nor_what_is_excluded(done: Done) -> None:
    inputs = set(done.result.fitted.preparation.inputs)
    assert not inputs & {"customerID", "Churn", "gender"}
    assert "tenure" in inputs


def test_constants_come_from_the_training_rows_alone(done: Done) -> None:
    from trainer.tables.job_splits import parts_of

    frame = read_source(done.job.inputs)[0]
    parts = parts_of(done.job.splitter, frame, frame["Churn"], "customerID")
    middle = done.result.fitted.preparation.constants["middle"]
    assert middle == frame.filter(parts == "train")["MonthlyCharges"].median()
    assert middle != frame["MonthlyCharges"].median()


def test_the_saved_model_has_code_signature_example_and_requirements(done: Done) -> None:
    assert (done.folder / "code" / "trainer" / "inference" / "entry_point.py").is_file()
    assert (done.folder / "input_example.json").is_file()
    lines = (done.folder / "requirements.txt").read_text(encoding="utf-8").split()
    assert lines
    assert all("==" in line for line in lines)
    model = mlflow.models.Model.load(done.folder)
    assert set(model.signature.inputs.input_names()) == set(done.result.fitted.preparation.inputs)
    optional = [column.name for column in model.signature.inputs.inputs if not column.required]
    assert optional in ([], ["TotalCharges"])
    assert model.metadata["cut_off"] == done.result.cut_off
    assert model.metadata["params"] == {"solver": "newton-cholesky", "C": 0.5}


def test_registration_is_confirmed(done: Done) -> None:
    assert done.result.registered is not None
    version = connect().get_model_version("leavers", done.result.registered.version)
    assert (version.status, version.source, version.run_id) == ("READY", done.result.model_uri, done.result.run_id)
    assert version.tags["team"] == "mlops"


def test_the_job_tells_its_figures(done: Done) -> None:
    (told,) = [message for message in done.messages if message.startswith("nightly done: test: ")]
    assert f"auc_roc {done.result.metrics['test']['auc_roc']:.4g}" in told
    assert told.endswith(f"{done.result.model_uri}, leavers version 1")


def test_the_sample_can_be_trained_on_and_its_generator_is_the_source(home: Path) -> None:
    sample = {"KIND": "sample", "rows": 300, "missing": [" "], "types": {"TotalCharges": "float"}}
    changes = {"inputs": sample, "targets": sample, "registry": None, "metrics": [{"name": "auc_pr"}]}
    result = load_job(document(home, **changes), "job.yaml").run()
    assert result.registered is None
    assert {name for figures in result.metrics.values() for name in figures} == {"auc_pr"}
    (source, _) = (each.dataset.source for each in connect().get_run(result.run_id).inputs.dataset_inputs)
    assert "sample://telco?rows=300" in source


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"KIND": "tuning"}, "KIND: only 'training' is a kind of job, not 'tuning'"),
        ({"targt": "y"}, r"targt: unknown key; did you mean 'target'\?"),
        ({"target": None}, "job.yaml: target:"),
        ({"model": {"KIND": "xgbost"}}, r"job.yaml: model.*xgboost"),
        ({"model": {"KIND": "xgboost", "param": {}}}, r"param: unknown key; did you mean 'params'\?"),
        ({"splitter": {"KIND": "column"}}, r"splitter.*column: is required"),
        ({"score_parts": ["train", "tset"]}, "score_parts"),
        ({"logger": {"level": "LOUD"}}, r"logger.level: .*DEBUG"),
        ({"problem": "regression", "cut_off": 0.5}, "cut_off: only a binary classification has one"),
    ],
    ids=["kind", "unknown-key", "target", "model-kind", "model-key", "splitter", "parts", "level", "cut-off"],
)
def test_a_wrong_document_is_refused_with_its_place(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_job(document(tmp_path, **changes), "job.yaml")


def test_a_pipelines_algorithm_is_a_model_as_it_stands(tmp_path: Path) -> None:
    search, resources = {"max_depth": {"low": 2, "high": 4}}, {"train": {"cpu": 2}}
    model = {"KIND": "lightgbm", "params": {"max_depth": 3}, "search": search, "resources": resources}
    job = load_job(document(tmp_path, model=model), "job.yaml")
    assert job.model == TypeAdapter(AnyAlgorithm).validate_python(model)
    assert (job.algorithm, job.params, job.device) == ("lightgbm", {"max_depth": 3}, "cpu")


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    wrong = {key: value for key, value in document(tmp_path, problem="guessing").items() if key != "target"}
    with pytest.raises(ConfigurationError) as raised:
        load_job(wrong, "job.yaml")
    assert len(str(raised.value).splitlines()) == 2


def targets_of(frame: pl.DataFrame, folder: Path) -> dict[str, Any]:
    frame.write_parquet(folder / "targets.parquet")
    return {"KIND": "parquet", "uri": str(folder / "targets.parquet")}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"Churn": ["Yes", "No"]}), "inputs have 600 rows and targets 2; they must match"),
        (pl.DataFrame({"churn": ["Yes"] * 600}), "targets: no column 'Churn'; columns: churn"),
        (pl.DataFrame({"Churn": ["Yes", None] * 300}), "target 'Churn' is missing in 300 of 600 rows"),
    ],
    ids=["length", "column", "values"],
)
def test_targets_that_do_not_fit(
    frame: pl.DataFrame, message: str, rows: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = load_job(document(rows, targets=targets_of(frame, tmp_path)), "job.yaml")
    with pytest.raises(DataValidationError, match=message) as raised:
        job.run()
    assert raised.value.__notes__ == ["while reading"]
    assert "reading failed: DataValidationError" in caplog.text
    assert "nightly failed: Data quality issue detected: DataValidationError" in caplog.text
    (newest, *_) = connect().search_runs([connect().get_experiment_by_name("leavers").experiment_id])
    assert newest.info.status == "FAILED"


@pytest.mark.parametrize(
    ("changes", "error", "message", "stage"),
    [
        (
            {"model": {"KIND": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression", "params": {"C": -1.0}}},
            ModelTrainingError, "LogisticRegression could not be fitted", "training",
        ),
        ({"positive": "Perhaps"}, DataValidationError, "'Perhaps' is none of the target's values", "training"),
        ({"metrics": [{"name": "auc_rok"}]}, ConfigurationError, "no metric 'auc_rok'", "evaluation"),
        ({"splitter": {"KIND": "column", "column": "part"}}, DataValidationError, "no column 'part'", "reading"),
    ],
    ids=["parameter", "positive", "metric", "splitter"],
)  # fmt: skip
def test_a_failure_is_told_with_its_stage(
    changes: dict[str, Any], error: type[Exception], message: str, stage: str, rows: Path
) -> None:
    with pytest.raises(error, match=message) as raised:
        load_job(document(rows, **changes), "job.yaml").run()
    assert raised.value.__notes__ == [f"while {stage}"]


def test_a_failure_while_saving_is_told_and_nothing_is_registered(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "full").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("TRAINER_ARTIFACT_LOCATION", f"file://{tmp_path}/full")
    changes = {
        "run_config": {"experiment": "unsavable", "name": "nightly"},
        "registry": {"KIND": "mlflow", "model": "lost"},
    }
    with pytest.raises(OSError) as raised:
        load_job(document(rows, **changes), "job.yaml").run()
    assert raised.value.__notes__ == ["while saving"]
    assert "saving failed: " in caplog.text
    assert connect().search_model_versions("name = 'lost'") == []
