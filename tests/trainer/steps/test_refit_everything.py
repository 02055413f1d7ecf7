"""`refit: everything`: judged on what is newer than all that production knows, then fitted on all rows."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.world import Home
from trainer.commands.step import run_step
from trainer.decision import DecisionResult
from trainer.errors import ConfigurationError, ModelRefusedError
from trainer.evaluation.version_rows import own_rows
from trainer.pipeline import Pipeline, pipeline_of
from trainer.registry.own_models import load_fitted
from trainer.registry.versions import KEYS_TAG, REFIT_TAG
from trainer.run import RunFolder
from trainer.run.records import AcceptResult, DriftResult, EvaluateResult, FeaturesResult, RefitResult
from trainer.summary.summary import build_summary
from trainer.tables.handover import FEATURES, KEYS, PART
from trainer.tables.parquet import read_table

ROWS_A_DAY = 10
MONTH, WEEK = 30, 7
TO_DECISION = ("start", "ingest", "detect_drift", "engineer_features", "tune", "train", "refit", "evaluate", "decide")
TO_PRODUCTION = ("refit_everything", "register", "accept", "promote")
RISES = {"name": "more is more", "set": {"x": "x + 1"}, "expect": "does_not_fall"}
FALLS = {"name": "more is less", "set": {"x": "x + 1"}, "expect": "does_not_rise"}


def table(days: int) -> pl.DataFrame:
    """So many days of rows, which grow by a day's as another day is asked for."""
    import numpy as np

    rows = days * ROWS_A_DAY
    random = np.random.default_rng(3)
    x, noise = random.normal(size=(2, 200 * ROWS_A_DAY))[:, :rows]
    when = [date(2026, 1, 1) + timedelta(days=row // ROWS_A_DAY) for row in range(rows)]
    return pl.DataFrame({"id": [*range(rows)], "day": when, "x": x, "y": 2 * x + noise})


@dataclass(frozen=True)
class Monthly(Home):
    """Runs of a pipeline whose table grows."""

    home: Path

    def pipeline(self, **sections: Any) -> Pipeline:
        return pipeline_of({
            "name": "monthly", "description": "A table that grows", "problem": "regression",
            "source": {"KIND": "csv", "uri": str(self.home / "table.csv"), "types": {"day": "date"}},
            "columns": {"target": "y", "id": "id", "time": "day"},
            "split": {"KIND": "time", "validation_hours": 24 * WEEK, "test_hours": 24 * WEEK},
            "features": {"fit": {"usual": "AVG(x)"}, "derive": {"above": "x - usual"}},
            "algorithms": {"ridge": {"KIND": "sklearn", "estimator": "sklearn.linear_model.Ridge"}},
            "tuning": {"enabled": False, "metric": "rmse"}, "refit": "everything", "behaviour": [RISES],
            "gates": {"against_production": {"metric": "rmse", "resamples": 200, "min_rows": 100, "min_gain": -1}},
            "registry": {"model": "monthly", "experiment": "monthly"}, **sections,
        })  # fmt: skip

    def run(self, key: str, days: int, steps: tuple[str, ...] = TO_DECISION, **sections: Any) -> RunFolder:
        """Some steps of a run on so many days of rows."""
        table(days).write_csv(self.home / "table.csv")
        folder = RunFolder.open(f"file://{self.home}/runs/monthly/{key}")
        for step in steps:
            self.step(folder, step, self.pipeline(**sections))
        return folder

    def step(self, folder: RunFolder, step: str, pipeline: Pipeline) -> None:
        run_step(
            step,
            folder,
            pipeline if step == "start" else folder.pipeline(),
            "ridge" if step in ("tune", "train") else "",
        )


@pytest.fixture(scope="module")
def monthly(tmp_path_factory: pytest.TempPathFactory, standing_in: Any) -> Any:
    """Three months have made production."""
    home = tmp_path_factory.mktemp("monthly")
    with standing_in(home):
        made = Monthly(home)
        made.run("first", 3 * MONTH, (*TO_DECISION, *TO_PRODUCTION))
        yield made


@pytest.fixture
def first(monthly: Monthly) -> RunFolder:
    return RunFolder.open(f"file://{monthly.home}/runs/monthly/first")


def test_what_is_promoted_has_learned_from_every_row(monthly: Monthly, first: RunFolder) -> None:
    judged, last = (first.at(step).result(RefitResult) for step in ("refit", "refit_everything"))
    rows = read_table(first.at("engineer_features"), FEATURES)
    assert (judged.rows, last.rows) == ((3 * MONTH - WEEK) * ROWS_A_DAY, 3 * MONTH * ROWS_A_DAY)
    assert first.at("evaluate").result(EvaluateResult).model_uri == judged.model_uri
    version = monthly.client.get_model_version("monthly", "1")
    assert (version.source, version.tags[REFIT_TAG], version.tags[KEYS_TAG]) == (
        last.model_uri,
        "everything",
        last.keys,
    )
    assert version.tags["trainer.model_digest"] == last.model_digest != judged.model_digest
    assert load_fitted(last.model_id).preparation.constants == {"usual": pytest.approx(rows["x"].mean())}
    assert first.at("accept").result(AcceptResult).largest_difference < 1e-9


def test_its_record_says_that_nothing_has_judged_it(monthly: Monthly, first: RunFolder) -> None:
    words = "fitted once more on all 900 rows after the decision: this very fit was not judged on unseen rows"
    summary = build_summary(first)
    assert summary.fitted == f"ridge, fitted on {(3 * MONTH - WEEK) * ROWS_A_DAY} training and validation rows"
    assert words in summary.fitted_again
    assert words in str(monthly.client.get_model_version("monthly", "1").description)


def test_later_runs_know_every_row_as_seen(first: RunFolder) -> None:
    split, last = read_table(first.at("engineer_features"), KEYS), read_table(first.at("refit_everything"), KEYS)
    assert set(split[PART]) == {"train", "validation", "test"}
    assert set(last[PART]) == {"train"}
    assert last["__key__"].equals(split["__key__"])


@pytest.mark.parametrize("step", ["ingest", "engineer_features", "refit_everything"])
def test_what_production_is_known_by_is_not_written_anew(monthly: Monthly, first: RunFolder, step: str) -> None:
    before = sorted(Path(first.at(step).path()).rglob("*"))
    with pytest.raises(ConfigurationError, match=f"step {step}: this run has promoted monthly version 1, .* new run"):
        monthly.step(first, step, first.pipeline())
    assert sorted(Path(first.at(step).path()).rglob("*")) == before


def test_no_row_of_its_own_run_can_judge_the_version(monthly: Monthly) -> None:
    version = monthly.client.get_model_version("monthly", "1")
    with pytest.raises(ConfigurationError, match="was fitted on all rows of its run .* give it rows with --data FILE"):
        own_rows(version)


def test_with_few_newer_rows_production_is_kept(monthly: Monthly, caplog: pytest.LogCaptureFixture) -> None:
    """Nine days are 90 rows, and 100 are needed; a gate on segments keeps as well."""
    slices = [{"column": "half", "max_loss": 1.0}]
    derive = {"above": "x - usual", "half": "CASE WHEN x < 0 THEN 'low' ELSE 'high' END"}
    gates = {**monthly.pipeline().gates.model_dump(mode="json"), "slices": slices}
    features = {"fit": {"usual": "AVG(x)"}, "derive": derive}
    run = monthly.run("few", 3 * MONTH + 9, gates=gates, features=features)
    assert "learned from rows up to 2026-03-31 00:00:00: 90 are newer, and 100 are needed to compare" in caplog.text
    assert run.at("engineer_features").result(FeaturesResult).test_rows_after is None
    evaluation = run.at("evaluate").result(EvaluateResult)
    assert (evaluation.production_version, evaluation.comparison, evaluation.production_metrics) == ("1", None, {})
    decision = run.at("decide").result(DecisionResult)
    assert decision.outcome == "keep"
    assert decision.reason.startswith("70 of 70 test rows are new to production version 1, and 100 are needed")
    with pytest.raises(ConfigurationError, match="the decision is to keep: there is nothing to refit_everything"):
        monthly.step(run, "refit_everything", run.pipeline())


def test_the_test_rows_are_those_newer_than_what_production_knows(monthly: Monthly) -> None:
    run = monthly.run("month", 4 * MONTH)
    features = run.at("engineer_features").result(FeaturesResult)
    until = run.at("detect_drift").result(DriftResult).learned_until
    assert until is not None
    assert (features.test_rows_after, until.date()) == (until, date(2026, 3, 31))
    rows = read_table(run.at("engineer_features"), FEATURES)
    days = {part: rows.filter(rows[PART] == part)["__time__"] for part in ("train", "validation", "test")}
    assert (days["test"].min(), days["test"].len()) == (date(2026, 4, 1), MONTH * ROWS_A_DAY)
    assert (days["validation"].min(), days["validation"].max()) == (date(2026, 3, 25), date(2026, 3, 31))
    compared = run.at("evaluate").result(EvaluateResult).comparison
    assert compared is not None
    assert (compared.rows, compared.rows_left_out) == (MONTH * ROWS_A_DAY, 0)
    # It has learned from the same rows, with the same parameters: it is production's model.
    assert (compared.gain, compared.lower, compared.upper) == (0, 0, 0)


def test_the_behaviour_of_the_last_fit_is_judged_before_anything_moves(monthly: Monthly, first: RunFolder) -> None:
    again = RunFolder.open(f"{first.uri}-again")
    shutil.copytree(first.path(), again.path())
    with pytest.raises(
        ModelRefusedError, match=r"is not accepted: behaviour: more is less: .* mean change \+.* Nothing"
    ):
        run_step("accept", again, monthly.pipeline(behaviour=[FALLS]))
