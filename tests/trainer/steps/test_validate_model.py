"""`trainer validate-model` on the version that a run has registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.__main__ import main
from trainer.errors import ConfigurationError
from trainer.evaluation.version_trial import Threshold, check_thresholds
from trainer.problems import problem_of
from trainer.registry.origin import MODEL_DIGEST_TAG
from trainer.registry.versions import REFIT_TAG
from trainer.run.records import EvaluateResult, TrainResult
from trainer.tables.parquet import read_table


def validate(accepted: Any, *more: object) -> int:
    return main(["validate-model", "--model-name", accepted.model, "--version", "1", *map(str, more)])


def test_its_own_test_rows_have_the_figures_of_the_evaluation(accepted: Any, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "reports" / "report.json"
    evaluated = accepted.folder.at("evaluate").result(EvaluateResult)
    assert validate(accepted, "--min-accuracy", 0.5, "--min", "recall=0.999", "--output-file", file) == 4
    report = json.loads(file.read_text(encoding="utf-8"))
    assert (report["passed"], report["model"], report["version"]) == (False, accepted.model, "1")
    assert report["rows"] == evaluated.test_rows
    assert report["metrics"] == pytest.approx(evaluated.metrics)
    assert {check["name"]: check["passed"] for check in report["checks"]} == {
        "loads": True, "answers": True, "format": True, "signature": True, "size": True,
        "time for one row, median": True, "time for one row, 99th percentile": True,
        "time for 1000 rows, median": True, "time for 1000 rows, 99th percentile": True,
        "peak memory": True, "as in training": True, "accuracy": True, "recall": False,
    }  # fmt: skip
    shown = capsys.readouterr().out
    assert shown.startswith(f"REFUSED: {accepted.model} version 1\n")
    assert f"FAIL  recall is {evaluated.metrics['recall']:.4f}, at least 0.999 is needed" in shown


def test_a_version_of_an_earlier_release_answers_as_when_it_was_trained(accepted: Any, tmp_path: Path) -> None:
    tags = accepted.client.get_model_version(accepted.model, "1").tags
    trained = accepted.folder.at("train", "logistic").result(TrainResult)
    earlier = {name: value for name, value in tags.items() if name not in (REFIT_TAG, MODEL_DIGEST_TAG)}
    version = accepted.client.create_model_version(accepted.model, trained.model_uri, tags=earlier).version
    file = tmp_path / "report.json"
    assert (
        main(["validate-model", "--model-name", accepted.model, "--version", str(version), "--output-file", str(file)])
        == 0
    )
    checks = {check["name"]: check["passed"] for check in json.loads(file.read_text(encoding="utf-8"))["checks"]}
    assert checks["as in training"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--min", "log_loss=0.5"], "log_loss gets better as it falls: use --max log_loss=0.5"),
        (["--min", "rmse=1"], "'rmse' is no metric of a binary_classification"),
        (["--min-accuracy", "nan"], "accuracy: the threshold has to be a finite number"),
        (["--target", "churn"], "which is not given"),
    ],
    ids=["wrong-side", "no-metric", "nan", "target-without-data"],
)
def test_a_wrong_question(accepted: Any, caplog: pytest.LogCaptureFixture, more: list[str], said: str) -> None:
    assert validate(accepted, *more) == 2
    assert said in caplog.text


def test_an_alias_that_is_not_there(accepted: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["validate-model", "--model-name", accepted.model]) == 2
    assert "has no alias 'production'; there are no aliases" in caplog.text


def test_test_rows_that_were_changed_are_no_evidence(accepted: Any, caplog: pytest.LogCaptureFixture) -> None:
    accepted.client.set_model_version_tag(accepted.model, "1", "data.digest", "0" * 64)
    assert validate(accepted) == 3
    assert "is not the table that" in caplog.text


def as_published(accepted: Any, part: str) -> pl.DataFrame:
    """Rows of the run, with the names that the source's file has."""
    keys = read_table(accepted.folder.at("engineer_features"), "keys.parquet")["__part__"]
    published = {new: old for old, new in accepted.frozen.source.rename.items()}
    return read_table(accepted.folder.at("ingest"), "snapshot.parquet").filter(keys == part).rename(published)


def test_a_file_of_rows_that_it_was_trained_on(accepted: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    rows = as_published(accepted, "train")
    rows.write_csv(tmp_path / "seen.csv")
    assert validate(accepted, "--data", tmp_path / "seen.csv") == 3
    assert f"was trained or tuned on all of its {rows.height} rows" in caplog.text


def test_a_file_without_an_input_is_told_apart_from_a_model_that_fails(
    accepted: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    as_published(accepted, "test").drop("gender").write_csv(tmp_path / "short.csv")
    assert validate(accepted, "--data", tmp_path / "short.csv") == 3
    assert f"{accepted.model} version 1 needs the columns gender, which are not there" in caplog.text


def test_both_sides_of_a_threshold() -> None:
    assert Threshold("accuracy", "min", 0.75).check({"accuracy": 0.75}).passed
    assert not Threshold("accuracy", "min", 0.75).check({"accuracy": 0.7499}).passed
    assert Threshold("rmse", "max", 2).check({"rmse": 2}).passed
    with pytest.raises(ConfigurationError, match="did you mean 'accuracy'"):
        check_thresholds([Threshold("acuracy", "min", 0.7)], problem_of("binary_classification"))
