"""`trainer score`: a pipeline's scoring by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.__main__ import main
from trainer.errors import ConfigurationError


def test_by_hand_from_another_file_and_again(scoring: Any, capsys: pytest.CaptureFixture[str]) -> None:
    file, other = scoring.home / "churn.yaml", scoring.home / "other.parquet"
    file.write_text(scoring.pipeline.to_yaml(), encoding="utf-8")
    scoring.rows.head(50).write_parquet(other)
    command = ["score", "--config", str(file), "--data-path", str(other), "--run", f"{scoring.home}/runs/churn/s"]
    for _ in range(2):
        assert main(command) == 0
    said = capsys.readouterr().out
    assert f"Rows: {other}\nModel: churn-predictor-sample version 1, the alias production at 20" in said
    assert re.search(
        r"Read: 50 rows, digest \w{12}; 1 column ignored\nChecks: 15 of inputs, \d warnings?\nDrift: stable, ", said
    )
    assert f"/data/scores/s.parquet\nRun folder: {scoring.home}/runs/churn/s\n" in said
    assert pl.read_parquet(scoring.home / "data" / "scores").height == 50


def test_a_pipeline_without_scoring(scoring: Any, tmp_path: Path) -> None:
    file = tmp_path / "churn.yaml"
    file.write_text(scoring.frozen.to_yaml(), encoding="utf-8")
    assert main(["score", "--config", str(file), "--data-path", "x.csv"]) == ConfigurationError.exit_code
