"""Pipelines of texts: the whole chain on the built-in articles and on a stranger's files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import polars as pl
import pytest
import yaml

from tests.conftest import Surroundings
from tests.world import PROJECT
from trainer.commands.step import run_step
from trainer.errors import ConfigurationError, DataValidationError
from trainer.modalities.texts import TextModality
from trainer.pipeline import TextPipeline, pipeline_of
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
from trainer.sources.samples.articles import generate_articles
from trainer.summary.summary import build_summary
from trainer.summary.terminal import render

pytest.importorskip("transformers", reason="transformers is not installed: make setup-deep")

WIKITEXT = PROJECT / "include" / "pipelines" / "wikitext.yaml"
QUICK = {
    "epochs": 1, "lr": 0.02, "batch_size": 16, "layers": 1, "width": 16, "heads": 2, "block_length": 64, "vocabulary": 300,
    "dropout": 0.0,
}  # fmt: skip
STEPS = (
    "ingest", "validate", "detect_drift", "engineer_features", "tune", "train", "refit", "evaluate", "explain", "decide",
    "register", "accept", "promote", "report",
)  # fmt: skip
JUDGED = STEPS[: STEPS.index("explain")]
DRIFTED = {"KIND": "sample", "sample": "articles", "rows": 300, "seed": 7, "drift": 3.0}
TRAINED = STEPS[: STEPS.index("refit")]


def document(**sections: Any) -> dict[str, Any]:
    """The pipeline of WikiText on the built-in articles, with a model of a few thousand weights."""
    shipped: dict[str, Any] = yaml.safe_load(WIKITEXT.read_text())
    source = {"KIND": "sample", "sample": "articles", "rows": 300}
    return {**shipped, "source": source, "algorithms": algorithms(), "acceptance": {"batch_rows": 2}, **sections}


def algorithms(**changes: Any) -> dict[str, Any]:
    search = {"lr": {"low": 0.005, "high": 0.02}}
    return {"scratch": {"KIND": "gpt2_from_scratch", "params": {**QUICK, **changes}, "search": search}}


def run_all(folder: Path, key: str, steps: tuple[str, ...] = STEPS, **sections: Any) -> RunFolder:
    run = RunFolder.open(f"file://{folder}/runs/wikitext/{key}")
    run_step("start", run, pipeline_of(document(**sections)))
    for name in steps:
        run_step(name, run, run.pipeline(), "scratch" if name in {"tune", "train"} else "")
    return run


def test_a_model_that_is_not_there_is_refused_before_anything_runs(surroundings: Surroundings) -> None:
    absent = {"KIND": "pretrained", "params": {"model": "./nowhere"}}
    both = document(algorithms={**algorithms(), "published": absent}, run={"algorithms": ["scratch", "published"]})
    run = RunFolder.open(f"file://{surroundings.home}/runs/wikitext/absent")
    with pytest.raises(ConfigurationError, match="model './nowhere': there is no such folder; correct the path"):
        run_step("start", run, pipeline_of(both))
    run_step("start", run, pipeline_of(both).for_run({"algorithms": ["scratch"]}))
    assert run.pipeline().selected_algorithms == ["scratch"]


def test_the_whole_chain_on_the_built_in_articles(surroundings: Surroundings) -> None:
    run = run_all(surroundings.home, "one")
    assert run.at("validate").result(ValidateResult).failed == []
    made = run.at("engineer_features").result(FeaturesResult)
    assert (made.rows, made.inputs) == ({"train": 210, "validation": 45, "test": 45}, ["text"])
    trained = run.at("train", "scratch").result(TrainResult)
    _curves_are_in_mlflow(trained)
    judged = run.at("evaluate").result(EvaluateResult)
    assert 2 < judged.metrics["perplexity"] < 60, "300 tokens, of which a few can follow"
    assert judged.metrics["bits_per_byte"] < 3
    assert judged.behaviour[0].mean_change < -100, "words in disorder are less likely by many nats"
    _documents_are_ranked(run)
    assert run.at("accept").result(AcceptResult).largest_difference < 1e-6
    assert run.at("promote").result(PromoteResult).aliases["production"] == "1"
    said = render(build_summary(run))
    assert "BUILT-IN SAMPLE" in said
    assert "scratch, fitted on 210 training rows; trained FROM SCRATCH, not from published weights" in said
    _serves_texts(run)

    second = run_all(surroundings.home, "two", STEPS[:3], source=DRIFTED)
    drift = second.at("detect_drift").result(DriftResult)
    assert drift.target is not None
    assert drift.target.drifted, "the words are others"
    assert {"characters"} <= {column.column for column in drift.columns if column.drifted}


@pytest.mark.slow  # the comparison itself is in test_language_modeling; here both models answer for themselves
def test_production_with_another_tokenizer_is_compared_on_the_same_documents(surroundings: Surroundings) -> None:
    without_use = tuple(name for name in STEPS if name not in {"explain", "report"})
    run_all(surroundings.home, "one", without_use)
    second = run_all(surroundings.home, "two", JUDGED, source=DRIFTED, algorithms=algorithms(vocabulary=400, epochs=2))
    compared = second.at("evaluate").result(EvaluateResult).comparison
    assert compared is not None
    assert (compared.metric, compared.rows) == ("bits_per_byte", 45)
    assert compared.lower > 0, "the challenger has seen such words"


def _curves_are_in_mlflow(trained: TrainResult) -> None:
    client = connect()
    for name in ("train_loss", "val_loss", "train_epoch_perplexity", "validation_epoch_perplexity", "epoch_seconds"):
        [point] = client.get_metric_history(trained.run_id, name)
        assert (point.step, point.value > 0) == (1, True)
    data = client.get_run(trained.run_id).data
    assert 0 < data.metrics["train_perplexity"] < 60, "of 100 of the 210 training texts"
    assert data.metrics["validation_epoch_perplexity"] == pytest.approx(trained.metrics["perplexity"], rel=1e-5)
    assert (data.params["block_length"], data.params["window_stride"]) == ("64", "64")


def _documents_are_ranked(run: RunFolder) -> None:
    explained = run.at("explain").result(ExplainResult)
    assert explained.method == "loss"
    assert {plot.name for plot in explained.plots} == {"worst_documents", "bits_per_byte"}
    table = pl.read_csv(run.at("explain").path("documents.csv"))
    assert table["bits_per_byte"].is_sorted(descending=True)
    assert table["document"][0] == explained.importance[0].column
    page = Path(run.at("explain").path("documents.html")).read_text()
    assert table["document"][0] in page
    assert "://" not in page, "it is read offline"
    report = Path(run.at("report").path("").rstrip("/")).parent.joinpath("report.html").read_text()
    assert "The 45 test documents by the bits that the challenger takes for each of their bytes" in report
    assert "documents.html" in report


def _serves_texts(run: RunFolder) -> None:
    model = mlflow.pyfunc.load_model(f"models:/{run.pipeline().registry.model}/1")
    assert [(one.name, str(one.type)) for one in model.metadata.get_input_schema().inputs] == [
        ("text", "DataType.string")
    ]
    rows = pd.DataFrame({"text": ["The Elena is a river", "zzz"]})
    scored = model.predict(rows)
    assert list(scored.columns) == ["prediction", "tokens"]
    assert (scored["prediction"] < 0).all()
    continued = model.predict(rows, params={"max_new_tokens": 8, "temperature": 0.7, "seed": 1})
    assert continued["continuation"].map(len).min() > 0
    assert continued.equals(model.predict(rows, params={"max_new_tokens": 8, "temperature": 0.7, "seed": 1}))


STRANGER: dict[str, Any] = {
    "name": "notes", "description": "notes of a stranger", "problem": "language_modeling",
    "columns": {"id": "number", "target": "body"}, "text": {"column": "body"}, "run": {},
    "split": {"KIND": "hash", "test": 0.2, "validation": 0.2}, "validation": [], "behaviour": [],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_strangers_texts_need_yaml_alone(kind: str, surroundings: Surroundings) -> None:
    rows = generate_articles(150, 3, 0).frame.select(body="text", number=pl.int_range(150))
    file = surroundings.home / f"notes.{kind}"
    if kind == "jsonl":
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows.iter_rows(named=True)))
    else:
        rows.write_parquet(file)
    run = run_all(surroundings.home, kind, TRAINED, **STRANGER, source={"KIND": kind, "uri": str(file)})
    assert run.at("train", "scratch").result(TrainResult).metrics["bits_per_byte"] < 4
    assert sum(run.at("engineer_features").result(FeaturesResult).rows.values()) == 150


def test_tuning_scores_after_each_epoch(surroundings: Surroundings) -> None:
    tuning = {"trials": 2, "startup_trials": 2, "metric": "bits_per_byte"}
    steps = STEPS[: STEPS.index("train")]
    source = {"KIND": "sample", "sample": "articles", "rows": 100}
    few = {"tuning": tuning, "source": source, "validation": [], "algorithms": algorithms(epochs=2, width=8)}
    run = run_all(surroundings.home, "tuned", steps, **few)
    found = run.at("tune", "scratch").result(TuneResult)
    assert (found.trials, len(found.fold_scores)) == (2, 2)
    assert found.cv_mean == found.fold_scores[-1], "a network is worth what it is after its last epoch"
    assert 0.005 <= found.params["lr"] <= 0.02


def test_texts_that_cannot_be_used_are_named(surroundings: Surroundings) -> None:
    texts = ["a text of some length"] * 5 + [" ", None]
    file = surroundings.home / "notes.parquet"
    pl.DataFrame({"body": texts, "number": range(7)}).write_parquet(file)
    with pytest.raises(DataValidationError, match="body: 2 of 7 documents are missing or empty: 5, 6; remove these"):
        run_all(surroundings.home, "bad", STEPS[:2], **STRANGER, source={"KIND": "parquet", "uri": str(file)})


def test_without_the_libraries_it_is_said_what_to_do(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="pipelines of texts need torch, transformers, .*: make setup-deep"):
        run_all(surroundings.home, "bare", ())


def test_documents_have_a_default_of_their_own_for_a_comparison() -> None:
    shipped = document()
    del shipped["gates"]["against_production"]["min_rows"]
    assert pipeline_of(shipped).gates.against_production.min_rows == 30


def checked(given: dict[str, Any]) -> None:
    pipeline = pipeline_of(given)
    assert isinstance(pipeline, TextPipeline)
    TextModality().check(pipeline, ["scratch"])


BAD = {
    "parameter": (
        {"algorithms": {"scratch": {"KIND": "gpt2_from_scratch", "params": {"layer": 3}}}},
        r"algorithms\.scratch\.params\.layer: unknown key; did you mean 'layers'\?",
    ),
    "heads": ({"algorithms": algorithms(heads=3)}, r"width \(16\) is not a multiple of heads \(3\)"),
    "stride": (
        {"algorithms": algorithms(stride=65)},
        r"stride \(65\) is above block_length \(64\); tokens would be lost",
    ),
    "lora": (
        {"algorithms": {"scratch": {"KIND": "pretrained", "params": {"lora": {"ranks": 3}}}}},
        r"algorithms\.scratch\.params\.lora\.ranks: unknown key; did you mean 'rank'\?",
    ),
    "features": ({"features": {"derive": {"x": "1"}}}, "features: unknown key"),
    "problem": ({"problem": "regression"}, "a regression of text is not supported; allowed: language_modeling"),
    "target": (
        {"columns": {"target": "part"}},
        "columns.target: is 'part', and a language model predicts the text itself",
    ),
    "metric": (
        {"tuning": {"metric": "perplexity"}},
        "tuning.metric: 'perplexity' is per token, and models are compared whose tokenizers may differ; use bits_per_byte",
    ),
    "early stopping": (
        {"tuning": {"metric": "bits_per_byte", "early_stopping": {}}},
        "a network is trained for `epochs`",
    ),
    "behaviour": (
        {"behaviour": [{"name": "b", "set": {"text": "backwards"}, "expect": "unchanged"}]},
        "there is no change 'backwards'; allowed: reversed_words, shuffled_words, upper_case, without_spaces",
    ),
    "column": (
        {"behaviour": [{"name": "b", "set": {"part": "upper_case"}, "expect": "unchanged"}]},
        "only 'text' can be set",
    ),
}


@pytest.mark.parametrize(("sections", "message"), BAD.values(), ids=BAD)
def test_a_wrong_file_is_told_by_its_place(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        checked(document(**sections))


def test_a_table_has_no_language_to_model() -> None:
    tabular = {name: value for name, value in document().items() if name != "text"}
    tabular["algorithms"] = {"forest": {"KIND": "xgboost"}}
    with pytest.raises(ConfigurationError, match="a language_modeling of tabular is not supported; allowed: binary"):
        pipeline_of({**tabular, "run": {}, "behaviour": []})
