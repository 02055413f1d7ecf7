"""Monitoring by hand: looks at scored rows with labels that arrive late, and all that may be wrong with either."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conftest import changed
from tests.records import change_record
from tests.trainer.steps.conftest import Scoring
from trainer.__main__ import main
from trainer.commands.monitor import monitor_all
from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.run.records import (
    LabelledPerformance,
    MonitorResult,
    ReadLabelsResult,
    ReadScoresResult,
    RetrainResult,
    ScoreResult,
    StartMonitoringResult,
    StartScoringResult,
    VersionLook,
)
from trainer.summary.monitoring import monitoring_lines
from trainer.tables.handover import JUDGED, ROWS
from trainer.tables.parquet import read_table

MONITORING = {"labels": {"KIND": "parquet", "uri": "labels.parquet"}, "min_rows": 30}


RETRAIN = {
    "when": {"performance_drop": 0.02, "drift_share": 0.3}, "looks": 1, "at_least": 1, "cooldown_days": 0,
}  # fmt: skip


class Watched(Scoring):
    """A home with 200 published rows, and labels to write."""

    @property
    def watched(self) -> Pipeline:
        return changed(self.pipeline, monitoring=MONITORING, retrain=RETRAIN)

    @property
    def truth(self) -> pl.DataFrame:
        """The label of each row that was scored."""
        return self.rows.select("customerID", "Churn")

    def label(self, labels: pl.DataFrame) -> None:
        labels.write_parquet(self.home / "data" / "labels.parquet")

    def look(self, key: str, pipeline: Pipeline | None = None) -> MonitorResult:
        monitor_all(self.at(key), pipeline or self.watched)
        return self.at(key).at("monitor").result(MonitorResult)

    def judged(self, key: str) -> pl.DataFrame:
        return read_table(self.at(key).at("monitor"), JUDGED)

    def score_again(self, key: str, started_at: str, rows: pl.DataFrame) -> None:
        """Publish the rows of the first run's ids anew, as another run, with other inputs."""
        shutil.copytree(self.run.root, self.at(key).root)
        change_record(self.at(key).at("start_scoring"), started_at=started_at)
        rows.write_parquet(Path(self.at(key).at("read_rows").path(ROWS)))
        shutil.copy(
            self.home / "data" / "scores" / "scoring-1.parquet", self.home / "data" / "scores" / f"{key}.parquet"
        )

    def inputs(self) -> pl.DataFrame:
        return read_table(self.run.at("read_rows"), ROWS)


@pytest.fixture
def watched(scoring: Any) -> Watched:
    scoring.step("publish_scores", key="scoring-1")
    found = Watched(scoring.home, scoring.pipeline)
    found.label(found.truth)
    return found


def test_late_labels_are_judged_once_and_looks_have_disjoint_rows(watched: Watched) -> None:
    truth = watched.truth
    odd = pl.DataFrame({"customerID": ["x-1", "x-2"], "Churn": ["Yes", "No"]})
    both = pl.concat([
        truth[:1],
        truth[:1].with_columns(Churn=pl.lit("Yes")),
        truth[:1].with_columns(Churn=pl.lit("No")),
    ])
    none = truth[180:].with_columns(Churn=pl.lit(None, dtype=pl.String))
    watched.label(pl.concat([truth[1:80], truth[1:5], both, none, odd]))
    first = watched.look("monitoring-1").newest
    labels = watched.at("monitoring-1").at("read_labels").result(ReadLabelsResult)
    assert (labels.ids, labels.repeated, labels.missing, labels.contradicting) == (81, 4, 20, 1)
    assert labels.contradicting_examples == truth["customerID"][:1].to_list()
    assert (labels.never_scored, sorted(labels.never_scored_examples)) == (2, ["x-1", "x-2"])
    assert (first.runs, first.rows, first.ids, first.learned_from) == (["scoring-1"], 200, 200, 0)
    assert (first.labelled, first.waiting, first.drift_status) == (79, 121, "stable")
    assert first.performance is not None
    assert first.estimate is not None
    reference, now = first.performance.reference["auc_roc"], first.performance.metrics["auc_roc"]
    assert first.performance.rows == 79
    assert reference.value == pytest.approx(_promoted(watched), abs=1e-9)
    assert first.performance.drop.value == pytest.approx(reference.value - now.value)
    assert now.lower < now.value < now.upper

    watched.label(truth)  # the others have arrived; nothing was scored since
    second = watched.look("monitoring-2").newest
    assert (second.runs, second.drift_share, second.labelled, second.waiting) == ([], None, 121, 0)
    own = {
        key: set(watched.judged(key).filter(pl.col("look") == key)["id"]) for key in ("monitoring-1", "monitoring-2")
    }
    assert not own["monitoring-1"] & own["monitoring-2"]
    assert own["monitoring-1"] | own["monitoring-2"] == set(truth["customerID"])

    with pytest.raises(DataValidationError, match=r"nothing is new since the look before: the last .*, scoring-1, was"):
        watched.look("monitoring-3")
    moved = watched.inputs().with_columns(
        contract=pl.lit("Weekly"), tenure=pl.lit(71), gender=pl.lit("Female"), partner=pl.lit("Yes"),
        dependents=pl.lit("Yes"), payment_method=pl.lit(None, dtype=pl.String),
    )  # fmt: skip
    watched.score_again("scoring-2", watched.at("monitoring-2").at("monitor").result(MonitorResult).finished_at, moved)
    third = watched.look("monitoring-4")  # that which failed has taken nothing
    look = third.newest
    assert (look.runs, look.drift_status, look.performance) == (["scoring-2"], "drifted", None)
    assert look.no_performance == "no label has arrived since the look before"
    seen = {one.column: one for one in look.watch}
    assert (seen["contract"].unseen, seen["contract"].examples) == (200, ["Weekly"])
    assert (seen["payment_method"].missing, seen["payment_method"].missing_before) == (1.0, 0.0)
    assert third.taken == ["scoring-1", "scoring-2"]
    page = watched.at("monitoring-4").at("").read_text("monitoring.html")
    for text in ("blind to concept drift", "no label has arrived", "Weekly", "<svg", "drifted"):
        assert text in page
    assert not re.search(r'(src|href)="http', page.replace("http://www.w3.org", ""))  # it needs no network
    _is_in_mlflow(watched, third, look)
    _asks_for_training(watched, first.performance, third, page)


def _asks_for_training(watched: Watched, first: LabelledPerformance, third: MonitorResult, page: str) -> None:
    """The look of drifted rows asks for a training run; by hand nothing is started."""
    assert first.drop_bound is not None
    assert first.drop_bound < first.drop.value
    looks = [watched.at(f"monitoring-{number}").at("monitor").result(MonitorResult) for number in (1, 2)]
    assert [one.retraining and one.retraining.retrain for one in looks] == [False, False]
    asked = third.retraining
    assert asked is not None
    assert asked.production is not None
    assert asked.production.since.startswith("20")
    assert (asked.retrain, asked.condition, asked.counted) == (True, "drift_share", ["monitoring-4"])
    assert [one.look for one in asked.evidence] == ["monitoring-2", "monitoring-4"]  # the newest of each condition
    for text in ("a training run is asked for", "1 of 1 looks count for drift_share &gt;= 0.3 ("):
        assert text in page
    run = watched.client.get_run(third.mlflow_run)
    assert run.data.tags["retraining"] == asked.reason
    assert run.data.metrics["retrain"] == 1
    lines = [*monitoring_lines(watched.at("monitoring-4"))]
    assert [
        line for line in lines if line.startswith(f"Retraining: asked for: {asked.reason}: a scheduler would start")
    ]
    assert watched.at("monitoring-4").at("retrain").result(RetrainResult).outcome == "would_start"


def _promoted(watched: Watched) -> float:
    record = json.loads(watched.folder.at("evaluate").read_text("result.json"))
    return float(record["metrics"]["auc_roc"])


def _is_in_mlflow(watched: Watched, result: MonitorResult, look: VersionLook) -> None:
    runs = watched.mlflow_runs("tags.`trainer.task` = 'monitoring'")
    assert len(runs) == 3
    [own] = [one for one in runs if one.info.run_id == result.mlflow_run]
    found = own.data.metrics
    assert (own.info.status, own.data.tags["monitored_version"]) == ("FINISHED", "1")
    assert found["drift_share"] == look.drift_share
    assert (found["unseen/contract"], found["missing/payment_method"], found["rows"]) == (200.0, 1.0, 200.0)
    assert found["drift/contract"] > 1
    assert look.estimate is not None
    assert found["estimated_auc_roc"] == look.estimate.auc_roc.value
    assert [one.path for one in watched.client.list_artifacts(own.info.run_id)] == ["monitoring.html"]


def test_answers_to_rows_that_the_version_has_learned_from_are_not_judged(watched: Watched) -> None:
    keys = read_table(watched.folder.at("ingest"), "snapshot.parquet")["customer_id"].to_list()
    ids = watched.truth["customerID"].to_list()
    swapped = dict(zip(ids[:150], keys[:150], strict=True))
    file = watched.home / "data" / "scores" / "scoring-1.parquet"
    pl.read_parquet(file).with_columns(pl.col("id").replace(swapped)).write_parquet(file)
    watched.label(watched.truth.with_columns(pl.col("customerID").replace(swapped)))
    look = watched.look("monitoring-1").newest
    assert look.learned_from == look.labelled_learned_from
    assert 100 < look.learned_from < 150  # the others are test rows
    assert look.performance is not None
    assert look.performance.rows == 200 - look.learned_from
    assert look.estimate is not None
    assert look.estimate.rows == 200 - look.learned_from


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda truth: truth.head(0), r"(no rows|0 rows|found no label)"),
        (lambda truth: truth.with_columns(Churn=pl.lit(None, dtype=pl.String)), r"found no label in 200 rows"),
        (
            lambda truth: truth.with_columns(customerID="x" + pl.col("customerID")),
            r"none of 200 ids .*such as 'x.*scored",
        ),
        (lambda truth: truth.with_columns(Churn=pl.lit(1)), r"expected labels of the type String, .* found Int"),
        (lambda truth: truth.with_columns(Churn=pl.lit("Maybe")), r"expected 'No' or 'Yes' .* 'Maybe' \(200 rows\)"),
        (lambda truth: truth.drop("Churn"), r"(churn|Churn)"),
    ],
    ids=["zero rows", "zero labels", "none joins", "another type", "another class", "no target"],
)
def test_labels_that_are_refused(watched: Watched, labels: Any, message: str) -> None:
    watched.label(labels(watched.truth))
    with pytest.raises(DataValidationError, match=message):
        watched.look("monitoring-1")
    assert watched.at("monitoring-1").at("monitor").result_or_none(MonitorResult) is None


def test_few_labels_wait_for_the_next_look(watched: Watched) -> None:
    watched.label(watched.truth.head(29))
    look = watched.look("monitoring-1").newest
    assert "29 ids have got a label" in look.no_performance
    watched.label(watched.truth.head(40))
    assert watched.look("monitoring-2").newest.labelled == 40


def test_without_labels_there_are_drift_and_an_estimate(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    file = watched.home / "churn.yaml"
    file.write_text(changed(watched.pipeline, monitoring={"min_rows": 30}).to_yaml(), encoding="utf-8")
    run = f"{watched.home}/runs/churn/monitoring-1"
    assert main(["monitor", "--config", str(file), "--run", run]) == 0
    said = capsys.readouterr().out
    assert "New: 200 rows of 1 scoring runs; 0 were taken before\n" in said
    assert "  Labelled: the pipeline names no labels\n" in said
    assert "  Estimated auc_roc (blind to concept drift): 0." in said
    assert main(["monitor", "--config", str(file), "--run", run]) == 0  # all is done
    file.write_text(watched.pipeline.to_yaml(), encoding="utf-8")
    assert main(["monitor", "--config", str(file)]) == ConfigurationError.exit_code


def test_scored_rows_that_are_not_there(watched: Watched) -> None:
    scores = watched.home / "data" / "scores"
    shutil.copy(scores / "scoring-1.parquet", scores / "another.parquet")
    watched.look("monitoring-1")
    found = watched.at("monitoring-1").at("read_scores").result(ReadScoresResult)
    assert list(found.set_aside) == ["another"]
    (scores / "scoring-1.parquet").unlink()
    with pytest.raises(DataValidationError, match=r"found none \(0 older runs, 1 without a run folder\); score rows"):
        watched.look("monitoring-2")
    shutil.rmtree(scores)
    with pytest.raises(DataValidationError, match="expected rows scored since"):
        watched.look("monitoring-3")


def test_a_version_that_was_pruned_is_named_and_its_rows_are_not_taken(watched: Watched) -> None:
    start = watched.run.at("start_scoring")
    there = start.result(StartScoringResult).training_run
    change_record(start, training_run=f"{there}-gone")
    with pytest.raises(
        DataValidationError, match=r"nothing could be looked at: the run folder .* version 1 came, is gone"
    ):
        watched.look("monitoring-1")
    change_record(start, training_run=there)
    assert watched.look("monitoring-2").taken == ["scoring-1"]


def test_each_version_is_looked_at_apart(watched: Watched) -> None:
    later = watched.run.at("score").result(ScoreResult).finished_at
    watched.score_again("scoring-2", later, watched.inputs())
    start = watched.at("scoring-2").at("start_scoring")
    change_record(start, version="2")
    found = watched.look("monitoring-1")
    assert [(look.version, look.runs, look.labelled) for look in found.looks] == [
        ("1", ["scoring-1"], 200), ("2", ["scoring-2"], 200),
    ]  # fmt: skip
    [run] = watched.mlflow_runs("tags.`trainer.task` = 'monitoring'")
    assert (run.data.tags["monitored_version"], run.data.metrics["version_1/rows"]) == ("2", 200.0)
    shutil.rmtree(watched.at("monitoring-1").root)
    change_record(start, training_run=f"{watched.home}/gone")
    found = watched.look("monitoring-2")
    assert found.taken == ["scoring-1"]
    assert f"the run folder {watched.home}/gone, from which churn-predictor-sample version 2 came, is gone" in (
        found.newest.not_looked_at
    )
    page = watched.at("monitoring-2").at("").read_text("monitoring.html")
    assert "Version 2 could not be looked at" in page


def test_rows_that_another_look_has_taken_meanwhile_are_refused(watched: Watched) -> None:
    late = watched.at("monitoring-1")
    for name in ("start_monitoring", "read_scores", "read_labels"):
        watched.step(name, key="monitoring-1", pipeline=watched.watched if name == "start_monitoring" else None)
    assert late.at("start_monitoring").result(StartMonitoringResult).earlier == []
    watched.look("monitoring-2")
    with pytest.raises(DataValidationError, match="another look, monitoring-2, has finished since this one has begun"):
        watched.step("monitor", key="monitoring-1")


def test_monitoring_needs_its_section(scoring: Any) -> None:
    with pytest.raises(ConfigurationError, match="has no section `monitoring`"):
        scoring.step("start_monitoring", key="monitoring-1", pipeline=scoring.pipeline)
    assert RunFolder.open(scoring.at("monitoring-1").uri).at("start_monitoring").failure() is not None
