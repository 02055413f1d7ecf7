"""Another table by YAML alone: no id, missing values, a date, text categories, three classes, a leak, scikit-learn."""

from __future__ import annotations

import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from tests.end_to_end.conftest import executable

if TYPE_CHECKING:
    from tests.end_to_end.conftest import Checkout

pytestmark = pytest.mark.end_to_end

PIPELINE = """\
version: 1
name: flowers
description: Which of three kinds a plant is
problem: multiclass_classification
source:
  KIND: csv
  uri: flowers.csv
  missing: ["?"]
  types: {seen_on: date, petal: float}
columns: {target: kind, time: seen_on, exclude: [answer]}
validation:
  - {check: expect_column_values_to_be_in_set, dimension: validity, kwargs: {column: kind, value_set: [a, b, c]}}
  - {check: expect_column_values_to_be_between, dimension: freshness, severity: warning, of: source,
     kwargs: {column: newest_row_age_days, max_value: 30}}
split: {KIND: random, validation: 0.2, test: 0.2, seed: 1, stratify: true}
features:
  fit: {usual_petal: median(petal)}
  derive: {is_long: petal > usual_petal, area: petal * sepal}
algorithms:
  logistic:
    KIND: sklearn
    estimator: sklearn.linear_model.LogisticRegression
    params: {max_iter: 2000}
    search: {C: {low: 0.01, high: 10.0, log: true}}
tuning: {trials: 2, folds: 3, metric: auc_roc, startup_trials: 2}
gates:
  weighted: {accuracy: 0.6, f1_score: 0.6}
  auc_roc: 0.7
  against_production: {metric: log_loss, min_gain: 0, min_rows: 50}
registry: {model: flowers, experiment: flowers}
"""


def table(rows: int = 900, seed: int = 3) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    kind = random.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2])
    centre = np.select([kind == "a", kind == "b"], [1.0, 2.0], 3.5)
    petal = [f"{value:.3f}" for value in random.normal(centre, 0.7)]
    colours = np.where(random.random(rows) < 0.7, np.char.add("colour-", kind), "colour-d")
    days = [date(2020, 1, 1) + timedelta(days=int(day)) for day in random.integers(0, 1500, rows)]
    return pl.DataFrame({
        "petal": [("?" if random.random() < 0.1 else text) for text in petal],
        "sepal": random.normal(5, 1, rows).round(3),
        "colour": [None if random.random() < 0.05 else str(colour) for colour in colours],
        "seen_on": days,
        "answer": [f"is-{label}" for label in kind],
        "kind": kind,
    })


@pytest.fixture
def flowers(checkout: Checkout) -> Checkout:
    (checkout.home / ".data").mkdir()
    table().write_csv(checkout.home / ".data" / "flowers.csv")
    folder = checkout.home / "pipelines"
    folder.mkdir()
    (folder / "flowers.yaml").write_text(PIPELINE)
    (folder / "wrong.yaml").write_text(
        PIPELINE.replace("name: flowers", "name: wrong").replace("trials: 2", "trails: 2")
    )
    checkout.variables["PIPELINES_FOLDER"] = str(folder)
    return checkout


def test_two_runs_give_the_same_figures_and_the_model_answers_rows(flowers: Checkout) -> None:
    summary = flowers.summary(flowers.train("flowers", {}, "--promote-to-production"))
    assert summary["outcome"] == "promoted"
    assert summary["metrics"].keys() >= {"accuracy", "f1_score", "auc_roc", "log_loss"}
    assert "positive_recall" not in summary["metrics"]
    (warning,) = summary["validation"]["warnings"]
    assert "newest_row_age_days" in warning
    _check_predictions(flowers)

    shutil.rmtree(flowers.home / ".mlflow")
    data = str(flowers.home / ".data" / "flowers.csv")
    again = flowers.summary(
        flowers.train("flowers", {}, "--data-path", data, "--register-best", "--promote-to-staging")
    )
    assert again["outcome"] == "registered"
    assert again["model"]["aliases"] == {"staging": "1"}
    assert again["metrics"] == summary["metrics"]


def _check_predictions(flowers: Checkout) -> None:
    """The registered model answers rows as a client sends them, without the leak, the date and the target."""
    import mlflow

    version = flowers.client.get_model_version_by_alias("flowers", "production")
    model = mlflow.pyfunc.load_model(flowers.client.get_model_version_download_uri("flowers", version.version))
    assert model.metadata.get_input_schema().input_names() == ["petal", "sepal", "colour"]
    rows = pl.DataFrame({
        "petal": [1.0, None, 3.5],
        "sepal": [5.0, 5.0, 5.0],
        "colour": ["colour-a", None, "never seen"],
    })
    answers = model.predict(rows.to_pandas())
    columns = ["prediction", "probability", "probability_a", "probability_b", "probability_c"]
    assert list(answers.columns) == columns
    assert set(answers["prediction"]) <= {"a", "b", "c"}
    np.testing.assert_allclose(answers[columns[2:]].sum(axis=1), 1.0)
    assert answers["prediction"][0] == "a"


@pytest.mark.slow
def test_the_broken_file_is_a_dag_that_says_what_is_wrong(flowers: Checkout, project: Path) -> None:
    done = subprocess.run(
        [executable("airflow"), "dags", "test", "wrong_broken"],
        env=flowers.environment,
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "trails: unknown key; did you mean 'trials'?" in done.stdout + done.stderr
