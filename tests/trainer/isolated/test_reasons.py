"""Reasons for single rows: the SHAP values of trees, computed where the model is confined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.trainer.isolated.conftest import log_model
from tests.trainer.isolated.models import ROWS, Logged
from trainer.errors import ConfigurationError
from trainer.evaluation import tree_shap
from trainer.isolated.scoring import Reasons, score_file_in_isolation
from trainer.pipeline import XGBoost

REASONS = Reasons(2, Path(tree_shap.__file__).read_text(encoding="utf-8"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    ROWS.write_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_each_row_has_the_inputs_that_count_most(rows: Path, tmp_path: Path, standing_in: Any) -> None:
    with standing_in(tmp_path):
        logged = log_model(XGBoost(params={"n_estimators": 5, "max_depth": 2}))
        score_file_in_isolation(logged.uri, rows, tmp_path / "answers.parquet", 15, digest="", reasons=REASONS)
    answers = pl.read_parquet(tmp_path / "answers.parquet")
    assert answers.columns == [
        "prediction", "probability", "reason_1", "reason_1_effect", "reason_2", "reason_2_effect"
    ]  # fmt: skip
    assert answers["probability"].to_list() == pytest.approx(logged.fitted.predict(ROWS)["probability"].to_list())
    expected = tree_shap.tree_shap(logged.fitted, ROWS).values
    values = np.column_stack([*expected.values()])
    order = np.argsort(-np.abs(values), axis=1, kind="stable")
    for number in range(2):
        effects = values[np.arange(ROWS.height), order[:, number]]
        assert answers[f"reason_{number + 1}_effect"].to_numpy() == pytest.approx(effects)
        assert [expected[name][row] for row, name in enumerate(answers[f"reason_{number + 1}"])] == pytest.approx(
            effects
        )


def test_a_model_without_trees_gives_none(logged: Logged, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"LogisticRegression is no ensemble of trees; set `scoring.reasons: 0`"
    ):
        score_file_in_isolation(logged.uri, rows, tmp_path / "answers.parquet", 15, digest="", reasons=REASONS)
    assert not (tmp_path / "answers.parquet").exists()
