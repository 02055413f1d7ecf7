"""Pipelines of images: the whole chain on the built-in digits and on a stranger's files, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from tests.conftest import Surroundings
from tests.world import PROJECT
from trainer.commands.step import run_step
from trainer.errors import ConfigurationError, DataValidationError
from trainer.modalities import images as modality
from trainer.pipeline import ImagePipeline, Pipeline, load_pipeline, pipeline_of
from trainer.registry.tracking import connect
from trainer.run import RunFolder
from trainer.run.records import (
    AcceptResult,
    DriftResult,
    EvaluateResult,
    ExplainResult,
    FeaturesResult,
    PromoteResult,
    TrainResult,
    TuneResult,
    ValidateResult,
)

KEPT = 2
"""Checkpoints."""

pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")

MNIST = PROJECT / "include" / "pipelines" / "mnist.yaml"
QUICK = {"epochs": 8, "lr": 0.01, "batch_size": 32, "channels": [8, 16], "hidden": 32}
STEPS = (
    "ingest", "validate", "detect_drift", "engineer_features", "tune", "train", "refit", "evaluate", "explain", "decide",
    "register", "accept", "promote", "report",
)  # fmt: skip


def document(**sections: Any) -> dict[str, Any]:
    """The MNIST pipeline on the built-in digits, with a small network."""
    shipped: dict[str, Any] = yaml.safe_load(MNIST.read_text())
    algorithms = {"cnn": {"KIND": "cnn", "params": QUICK, "search": {"lr": {"low": 0.005, "high": 0.02}}}}
    source = {"KIND": "sample", "sample": "digits", "rows": 1200}
    return {**shipped, "source": source, "algorithms": algorithms, "acceptance": {}, **sections}


def run_all(folder: Path, key: str, steps: tuple[str, ...] = STEPS, **sections: Any) -> RunFolder:
    run = RunFolder.open(f"file://{folder}/runs/mnist/{key}")
    run_step("start", run, pipeline_of(document(**sections)))
    for name in steps:
        run_step(name, run, run.pipeline(), "cnn" if name in {"tune", "train"} else "")
    return run


def test_the_whole_chain_on_the_built_in_digits(surroundings: Surroundings) -> None:
    run = run_all(surroundings.home, "one")
    assert run.at("validate").result(ValidateResult).failed == []
    made = run.at("engineer_features").result(FeaturesResult)
    assert (made.rows["test"], made.inputs) == (198, ["image"]), "the test rows are those that the column `set` names"
    assert run.at("tune", "cnn").result(TuneResult).cv_mean is None
    assert run.at("train", "cnn").result(TrainResult).metrics["accuracy"] > 0.9
    judged = run.at("evaluate").result(EvaluateResult)
    assert judged.metrics["accuracy"] > 0.95
    assert [one.name for one in judged.behaviour] == ["a little brighter", "a little noise"]
    explained = run.at("explain").result(ExplainResult)
    assert explained.method == "saliency"
    assert {plot.name for plot in explained.plots} >= {"saliency", "confusion_matrix", "roc"}
    assert run.at("accept").result(AcceptResult).largest_difference < 1e-6
    assert run.at("promote").result(PromoteResult).aliases["production"] == "1"
    page = Path(run.at("report").path("").rstrip("/")).parent.joinpath("report.html").read_text()
    assert "How strongly each pixel moves the score of the predicted class" in page
    assert ">None<" not in page, "a figure that does not exist is a dash"

    darker = {"KIND": "sample", "sample": "digits", "rows": 1000, "seed": 7, "drift": 1.0}
    second = run_all(surroundings.home, "two", STEPS[:3], source=darker)
    drift = second.at("detect_drift").result(DriftResult)
    assert {"brightness"} <= {column.column for column in drift.columns if column.drifted}
    assert second.at("detect_drift").path("drift.html").endswith("drift.html")


def test_tuning_scores_after_each_epoch(surroundings: Surroundings) -> None:
    tuning = {"trials": 2, "startup_trials": 2, "metric": "accuracy"}
    sections = {"tuning": tuning, "source": {"KIND": "sample", "sample": "digits", "rows": 700}, "validation": []}
    run = run_all(
        surroundings.home, "tuned", ("ingest", "validate", "detect_drift", "engineer_features", "tune"), **sections
    )
    found = run.at("tune", "cnn").result(TuneResult)
    assert (found.trials, len(found.fold_scores)) == (2, QUICK["epochs"])
    assert found.cv_mean == found.fold_scores[-1], "a network is worth what it is after its last epoch"
    assert 0.005 <= found.params["lr"] <= 0.02


def png(pixels: np.ndarray) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format="PNG")
    return target.getvalue()


def squares(folder: Path, per_class: int = 90) -> Path:
    """Colour images of 16 by 16 with a bright square in the upper or the lower half, in a folder for each."""
    random = np.random.default_rng(3)
    for place, label in ((0, "upper"), (8, "lower")):
        (folder / label).mkdir(parents=True)
        for number in range(per_class):
            pixels = random.integers(0, 90, (16, 16, 3), dtype=np.uint8)
            left = random.integers(0, 9)
            pixels[place + 1 : place + 7, left : left + 6] += 120
            (folder / label / f"{number:03d}.png").write_bytes(png(pixels))
    return folder


STRANGER: dict[str, Any] = {
    "name": "squares",
    "description": "where the square is",
    "problem": "binary_classification",
    "columns": {"id": "id", "target": "label", "positive": "upper"},
    "images": {"height": 16, "width": 16, "channels": 3},
    "validation": [],
    "split": {"KIND": "hash", "test": 0.25, "validation": 0.2},
    "algorithms": {"cnn": {"KIND": "cnn", "params": {**QUICK, "epochs": 4}}},
    "tuning": {"enabled": False, "metric": "auc_roc"},
    "gates": {"auc_roc": 0.9, "against_production": {"metric": "auc_roc", "min_rows": 30}},
    "behaviour": [],
    "registry": {"model": "squares", "experiment": "squares"},
}


def test_a_strangers_folder_of_images_needs_yaml_alone(surroundings: Surroundings) -> None:
    source = {"KIND": "image_folder", "uri": str(squares(surroundings.home / "pictures"))}
    run = RunFolder.open(f"file://{surroundings.home}/runs/squares/one")
    run_step("start", run, pipeline_of({**STRANGER, "source": source}))
    for name in STEPS:
        run_step(name, run, run.pipeline(), "cnn" if name in {"tune", "train"} else "")
    assert run.at("evaluate").result(EvaluateResult).metrics["auc_roc"] > 0.95
    assert run.at("promote").result(PromoteResult).aliases["production"] == "1"


def test_a_step_that_trains_in_several_processes_keeps_one_record(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On GPUs a step starts one process for each; here it is told to start two on this machine's processor."""
    monkeypatch.setattr("trainer.training.networks.processes.processes_for", lambda _gpus: 2)
    source = {"KIND": "image_folder", "uri": str(squares(surroundings.home / "pictures"))}
    run = RunFolder.open(f"file://{surroundings.home}/runs/squares/two")
    run_step("start", run, pipeline_of({**STRANGER, "source": source}))
    for name in STEPS[: STEPS.index("refit")]:
        run_step(name, run, run.pipeline(), "cnn" if name in {"tune", "train"} else "")
    trained = run.at("train", "cnn").result(TrainResult)
    assert trained.metrics["auc_roc"] > 0.95
    curve = connect().get_metric_history(trained.run_id, "epoch_seconds")
    assert [point.step for point in curve] == [1, 2, 3, 4]
    assert len([*Path(run.at("train", "cnn").path("state")).iterdir()]) == KEPT


def test_images_that_cannot_be_used_are_named(surroundings: Surroundings) -> None:
    folder = squares(surroundings.home / "pictures", 60)
    (folder / "lower" / "007.png").write_bytes((folder / "lower" / "007.png").read_bytes()[:50])
    (folder / "upper" / "003.png").write_bytes(png(np.zeros((8, 16, 3), dtype=np.uint8)))
    (folder / "upper" / "004.png").write_bytes(png(np.zeros((16, 16, 3), dtype=np.uint8)))
    run = RunFolder.open(f"file://{surroundings.home}/runs/squares/one")
    run_step("start", run, pipeline_of({**STRANGER, "source": {"KIND": "image_folder", "uri": str(folder)}}))
    run_step("ingest", run, run.pipeline())
    with pytest.raises(
        DataValidationError, match=r"image: 2 of 120 images cannot be used: lower/007.png is corrupt"
    ) as told:
        run_step("validate", run, run.pipeline())
    assert "upper/003.png is 8 x 16 pixels, and 16 x 16 are needed" in str(told.value)


def test_suspicious_images_are_warned_of() -> None:
    pipeline = load_pipeline(MNIST)
    assert isinstance(pipeline, ImagePipeline)
    striped, black = b"ab" * 392, np.zeros((28, 28), dtype=np.uint8)
    rows = pl.DataFrame({
        "id": ["a", "b", "c", "d", "e"], "label": [1, 2, 3, 3, 3], "set": "train",
        "image": pl.Series([striped, striped, b"x" * 784, b"yz" * 392, png(black)], dtype=pl.Binary),
    })  # fmt: skip
    found = modality.ImageModality().validate(pipeline, rows.lazy())
    assert [(one.check, one.severity) for one in found] == [
        ("image_is_not_empty", "warning"), ("equal_images_have_equal_labels", "warning"),
    ]  # fmt: skip
    assert found[0].examples == ["c", "e"]


def test_without_torch_it_is_said_what_to_do(surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="need PyTorch, which is not installed: make setup-deep"):
        run_all(surroundings.home, "bare", ())


def checked(pipeline: Pipeline) -> None:
    assert isinstance(pipeline, ImagePipeline)
    modality.ImageModality().check(pipeline, ["cnn"])


def test_a_run_may_set_epochs_learning_rate_and_batch() -> None:
    given = pipeline_of(document()).for_run({"epochs": 1, "lr": 0.02, "batch_size": 16})
    assert given.algorithms["cnn"].params == {**QUICK, "epochs": 1, "lr": 0.02, "batch_size": 16}
    assert given.scoring_batch is None
    again = pipeline_of(given.model_dump(mode="json"))
    assert again.algorithms["cnn"].params == given.algorithms["cnn"].params
    with pytest.raises(ConfigurationError, match="run.epochs: only a network has it"):
        load_pipeline(PROJECT / "include" / "pipelines" / "churn.yaml").for_run({"epochs": 3})


def test_a_run_that_trains_networks_may_ask_for_gpus() -> None:
    assert pipeline_of(document()).for_run({"gpu": 2}).run.gpu == 2
    with pytest.raises(
        ConfigurationError, match="run.gpu: only a run that trains networks asks for GPUs; use resources"
    ):
        load_pipeline(PROJECT / "include" / "pipelines" / "churn.yaml").for_run({"gpu": 0})


def test_gpus_that_this_machine_does_not_have_are_refused_at_once(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, asking = RunFolder.open(f"file://{surroundings.home}/runs/mnist/gpus"), pipeline_of(document(run={"gpu": 64}))
    with pytest.raises(ConfigurationError, match="gpu: 64 GPUs are asked for, and PyTorch .* sees"):
        run_step("start", run, asking)
    monkeypatch.setenv("TRAINER_GPUS", "0")  # in a pod; those that train get the GPUs
    run_step("start", run, asking)
    assert run.pipeline().run.gpu == 64


def test_one_machine_trains_what_is_meant_for_several_and_says_so(
    surroundings: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunFolder.open(f"file://{surroundings.home}/runs/mnist/nodes")
    run_step("start", run, pipeline_of(document(resources={"train": {"nodes": 3}})))
    assert "cnn: 3 nodes are asked for; without a cluster this machine trains it alone" in caplog.text


BAD = {
    "several nodes for all steps": (
        {"resources": {"default": {"nodes": 2}}},
        "resources.default.nodes: 2: only the steps train and refit run on several nodes; set it for those",
    ),
    "several nodes for a trial": (
        {"algorithms": {"cnn": {"KIND": "cnn", "resources": {"tune": {"nodes": 2}}}}},
        "algorithms.cnn.resources.tune.nodes: 2: only the steps train and refit run on several nodes",
    ),
    "several GPUs for a trial": (
        {"resources": {"tune": {"gpu": 2}}},
        "algorithms.cnn: `tune` asks for 2 GPUs, and a trial is trained on one; use tuning.workers",
    ),
    "parameter": (
        {"algorithms": {"cnn": {"KIND": "cnn", "params": {"epoch": 3}}}},
        r"algorithms\.cnn\.params\.epoch: unknown key; did you mean 'epochs'\?",
    ),
    "search": (
        {"algorithms": {"cnn": {"KIND": "cnn", "search": {"lr": {"low": 0, "high": 2}}}}},
        r"algorithms\.cnn\.search\.lr: .*greater than 0",
    ),
    "features": ({"features": {"derive": {"x": "1"}}}, "features: unknown key"),
    "checksum": (
        {"source": {"KIND": "idx", "uri": "mnist", "sha256": "a" * 64}},
        "source: sha256: is of one file, and KIND: idx reads several; remove it",
    ),
    "problem": ({"problem": "regression", "tuning": {"metric": "rmse"}}, "a regression of images is not supported"),
    "table's algorithm": (
        {"algorithms": {"t": {"KIND": "xgboost"}}},
        "algorithms.t.KIND: 'xgboost' is not allowed; allowed: cnn",
    ),
    "early stopping": ({"tuning": {"metric": "accuracy", "early_stopping": {}}}, "a network is trained for `epochs`"),
    "behaviour": (
        {"behaviour": [{"name": "b", "set": {"image": "upside down"}, "expect": "unchanged"}]},
        "there is no change 'upside down'; allowed: brighter, darker, noisy",
    ),
}


@pytest.mark.parametrize(("sections", "message"), BAD.values(), ids=BAD)
def test_a_wrong_file_is_told_by_its_place(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        checked(pipeline_of(document(**sections)))
