"""The step `explain`: for trees and for others, with and without a production, and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from trainer.commands.step import run_step
from trainer.errors import ModelRefusedError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.run import RunFolder
from trainer.run.records import ExplainResult, StartResult
from trainer.steps.explain import read_predictions
from trainer.tables.handover import PREDICTIONS
from trainer.tables.parquet import read_table, write_table

CLASSIFIED = ["feature_importance", "confusion_matrix", "roc", "precision_recall", "calibration"]
TREES = {"KIND": "lightgbm", "params": {"n_estimators": 20, "num_leaves": 7, "min_child_samples": 5}}


def explained(folder: RunFolder) -> ExplainResult:
    return folder.at("explain").result(ExplainResult)


def is_drawn(file: Path) -> bool:
    """Whether a PNG is a picture of some size with more than paper in it."""
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        colours = picture.convert("RGB").getcolors(1 << 24)
        return min(picture.size) > 250 and colours is not None and len(colours) > 20


@pytest.fixture
def run_to_explain(tmp_path: Path, standing_in: Any, session_churn: Pipeline) -> Any:
    """Runs a pipeline on a table as far as `explain`; returns its folder."""

    def go(table: pl.DataFrame, **sections: Any) -> RunFolder:
        file = tmp_path / "table.csv"
        table.write_csv(file)
        pipeline = pipeline_of({
            **session_churn.model_dump(mode="json"), "source": {"KIND": "csv", "uri": str(file)}, "validation": [],
            "columns": {"target": "target", "positive": None}, "features": {}, "algorithms": {"trees": TREES}, **sections,
        })  # fmt: skip
        folder = RunFolder.open(str(tmp_path / "runs" / "planted"))
        steps = ["start", "ingest", "engineer_features", "tune", "train", "refit", "evaluate", "explain"]
        for step in steps:
            run_step(step, folder, pipeline, "trees" if step in ("tune", "train") else "")
        return folder

    with standing_in(tmp_path):
        yield go


def planted(kind: str) -> pl.DataFrame:
    """A table whose column `signal` alone tells the target."""
    import numpy as np

    random = np.random.default_rng(5)
    signal = random.normal(size=600)
    target = {
        "regression": 3 * signal,
        "binary_classification": np.where(signal > 0, "yes", "no"),
        "multiclass_classification": np.array(["a", "<b>", "c"])[np.digitize(signal, [-0.5, 0.5])],
    }[kind]
    noise = {"noise": random.normal(size=600), "colour": random.choice(["red", "green"], 600)}
    return pl.DataFrame({**noise, "signal": signal, "target": target})


def sections(kind: str) -> dict[str, Any]:
    """What a pipeline of this kind has to say."""
    metric = "rmse" if kind == "regression" else "auc_roc"
    return {
        "problem": kind,
        "columns": {"target": "target", "positive": "yes" if kind == "binary_classification" else None},
        "tuning": {"enabled": False, "metric": metric, "folds": 2},
        "gates": {"against_production": {"metric": metric}},
        "behaviour": [],
    }


@pytest.mark.parametrize(
    ("kind", "plots"),
    [
        ("binary_classification", [CLASSIFIED[0], "shap_summary", *CLASSIFIED[1:]]),
        ("multiclass_classification", ["feature_importance", "shap_summary", "confusion_matrix", "roc"]),
        ("regression", ["feature_importance", "shap_summary", "residuals"]),
    ],
)
def test_trees_are_explained_and_the_planted_column_is_found(kind: str, plots: list[str], run_to_explain: Any) -> None:
    folder = run_to_explain(planted(kind), **sections(kind))
    result = explained(folder)
    assert (result.method, result.why) == ("shap", "")
    assert result.importance[0].column == "signal"
    assert result.importance[0].share > 0.8
    assert {one.column for one in result.importance} == {"signal", "noise", "colour"}
    assert [plot.name for plot in result.plots] == plots
    assert all(is_drawn(Path(folder.at("explain").path(f"{name}.png"))) for name in plots)
    assert all("<b>" not in folder.at("explain").read_text(f"{name}.svg") for name in plots)


def test_other_estimators_are_explained_by_shuffling_and_all_is_logged(accepted: Any) -> None:
    accepted.step("explain")
    folder = accepted.folder
    result = explained(folder)
    assert result.method == "permutation"
    assert result.why == "LogisticRegression is no ensemble of trees"
    assert result.unit == "loss in auc_roc when shuffled"
    assert [plot.name for plot in result.plots] == CLASSIFIED
    whole = json.loads(folder.at("explain").read_text("importance.json"))
    assert whole["columns"][: len(result.importance)] == [one.model_dump() for one in result.importance]
    logged = accepted.client.list_artifacts(folder.at("start").result(StartResult).run_id, "plots")
    files = {f"plots/{name}.{kind}" for name in CLASSIFIED for kind in ("png", "svg")}
    assert {file.path for file in logged} == {*files, "plots/importance.json"}


def test_production_is_drawn_beside_the_challenger(accepted: Any) -> None:
    accepted.client.set_registered_model_alias(accepted.model, "production", "1")
    accepted.another("run-2")
    accepted.step("evaluate", key="run-2")
    accepted.step("explain", key="run-2")
    challenger, production = read_predictions(accepted.frozen, accepted.at("run-2"))
    assert production is not None
    assert challenger.probability == pytest.approx(production.probability)  # it is the same model
    plots = {plot.name: plot for plot in explained(accepted.at("run-2")).plots}
    assert ", production 0." in plots["roc"].title
    assert "; production: " in plots["confusion_matrix"].alt


def test_what_cannot_be_explained_is_refused(accepted: Any) -> None:
    table = read_table(accepted.folder.at("evaluate"), PREDICTIONS)
    write_table(accepted.folder.at("evaluate"), PREDICTIONS, table.with_columns(probability=pl.lit(1.5)))
    with pytest.raises(ModelRefusedError, match="probabilities are not finite or not from 0 to 1"):
        accepted.step("explain")
    assert accepted.folder.at("explain").result_or_none(ExplainResult) is None
