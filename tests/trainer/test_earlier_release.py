"""A run and a model of an earlier release still work: scoring, comparison, trial, rollback and report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import earlier_release
from tests.conftest import changed
from tests.world import ALGORITHM, Home
from trainer.__main__ import main
from trainer.commands.step import run_step
from trainer.isolated.scoring import score_in_isolation
from trainer.registry.versions import PRODUCTION, aliases_of
from trainer.reports.run_report import render_run_report
from trainer.run import RunFolder
from trainer.run.records import DriftResult, EvaluateResult
from trainer.summary.summary import build_summary
from trainer.tables.handover import PREDICTIONS, rows_of
from trainer.tables.parquet import read_table

MODEL = "churn-predictor-sample"
STEPS = ("start", "ingest", "detect_drift", "engineer_features", "tune", "train", "refit", "evaluate", "decide", "register",
         "accept", "promote")  # fmt: skip


@dataclass(frozen=True)
class Earlier(Home):
    """The home of an earlier release."""

    home: Path

    @property
    def run(self) -> RunFolder:
        return RunFolder.open(f"file://{self.home}/runs/churn/run-1")


@pytest.fixture(scope="module")
def earlier(standing_in: Any) -> Iterator[Earlier]:
    home = earlier_release.unpack()
    with standing_in(home):
        yield Earlier(home)
    shutil.rmtree(home)


def test_its_model_answers_with_the_code_that_it_brought(earlier: Earlier) -> None:
    rows, _, _ = rows_of(earlier.run.pipeline(), earlier.run, "test")
    assert earlier.client
    answers = score_in_isolation(f"models:/{MODEL}@{PRODUCTION}", rows).output
    expected = read_table(earlier.run.at("evaluate"), PREDICTIONS)
    assert answers["probability"].to_list() == pytest.approx(expected["probability"].to_list())
    assert answers["prediction"].to_list() == expected["prediction"].to_list()


def test_its_run_can_be_told_of(earlier: Earlier) -> None:
    summary = build_summary(earlier.run)
    assert (summary.outcome, summary.winner, summary.fitted) == ("promoted", ALGORITHM, "")
    assert "The new model is production" in render_run_report(earlier.run)


def test_its_version_can_be_tried(earlier: Earlier, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    assert main(["validate-model", "--model-name", MODEL, "--output-file", str(file)]) == 0
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["metrics"] == pytest.approx(earlier.run.at("evaluate").result(EvaluateResult).metrics)


def test_a_new_run_compares_with_it_replaces_it_and_can_return_to_it(earlier: Earlier) -> None:
    old = earlier.run.pipeline()
    rule = {**old.gates.against_production.model_dump(), "min_gain": -0.5}
    pipeline = changed(old, gates={**old.gates.model_dump(), "against_production": rule})
    run = RunFolder.open(f"file://{earlier.home}/runs/churn/run-2")
    for step in STEPS:
        run_step(
            step, run, pipeline if step == "start" else run.pipeline(), ALGORITHM if step in ("tune", "train") else ""
        )
    drift, evaluation = run.at("detect_drift").result(DriftResult), run.at("evaluate").result(EvaluateResult)
    assert (drift.status, drift.reference_version) == ("stable", "1")
    assert (evaluation.production_version, evaluation.comparison is not None) == ("1", True)
    assert evaluation.production_metrics == pytest.approx(earlier.run.at("evaluate").result(EvaluateResult).metrics)
    assert aliases_of(earlier.client, MODEL)[PRODUCTION] == "2"
    assert main(["rollback", MODEL, "--from", "2"]) == 0
    assert aliases_of(earlier.client, MODEL)[PRODUCTION] == "1"
