"""A run's summary for each way a run can end, from results written by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import changed
from trainer.decision import DecisionResult, decide_run
from trainer.errors import ModelRefusedError
from trainer.pipeline import Pipeline, parse_pipeline
from trainer.run import RunFolder
from trainer.run.execute import execute
from trainer.run.records import (
    AcceptResult,
    Candidate,
    CheckResult,
    ColumnDrift,
    Compared,
    DriftResult,
    EvaluateResult,
    Failure,
    IngestResult,
    PromoteResult,
    PublishFeaturesResult,
    RegisterResult,
    StartResult,
    TuneResult,
    TuneWorkerResult,
    ValidateResult,
)
from trainer.summary.summary import Summary, build_summary, write_summary

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.run.records import Result

PIPELINE = """
name: churn
description: who leaves
problem: binary_classification
source: {KIND: csv, uri: churn.csv}
columns: {target: churn, positive: "Yes"}
algorithms: {xgboost: {KIND: xgboost}, lightgbm: {KIND: lightgbm}}
tuning: {metric: auc_roc}
gates: {weighted: {accuracy: 0.7}, auc_roc: 0.8, against_production: {metric: auc_roc}}
registry: {model: churn-predictor, experiment: churn}
run: {note: new tariffs}
"""
DIGEST = "0123456789abcdef" * 4
METRICS = {"accuracy": 0.79, "auc_roc": 0.845}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.open(str(tmp_path / "churn/key-1"))


@pytest.fixture
def pipeline() -> Pipeline:
    return parse_pipeline(PIPELINE, "churn.yaml")


def done(folder: RunFolder, result: Result, seconds: float = 1.0) -> None:
    folder.finish(result.model_copy(update={"seconds": seconds}))


def started(run: RunFolder, pipeline: Pipeline, *, sample: bool = False) -> None:
    run.write_text("pipeline.yaml", pipeline.to_yaml())
    began = datetime.now(UTC) - timedelta(seconds=100)
    start = StartResult(
        started_at=began.isoformat(), run_id="r", experiment_id="1", airflow_run_id="manual__1", git_commit="c",
        image="", source="file:///data/churn.csv", sample=sample,
    )  # fmt: skip
    done(run.at("start"), start, 2.0)


def ingested(run: RunFolder, *, sample: bool = False) -> None:
    ingest = IngestResult(
        snapshot="s", source="file:///data/churn.csv", digest=DIGEST, rows=7043, rows_in_source=7043, columns={"a": "Int64"},
        sample=sample, age_days=1.0,
    )  # fmt: skip
    done(run.at("ingest"), ingest, 3.0)


def checked(run: RunFolder) -> None:
    warning = CheckResult(
        check="expect_column_values_to_not_be_null", column="total_charges", dimension="completeness", severity="warning",
        passed=False, unexpected=11, share=0.00156, message="expected mostly 0.999",
    )  # fmt: skip
    done(run.at("validate"), ValidateResult(passed=True, checks=20, failed=[warning], report="v.html"), 4.0)
    drifts = [
        ColumnDrift(
            column=name, kind="numeric", statistics={"ks": 0.2}, thresholds={"ks": 0.1}, drifted=name == "tenure"
        )
        for name in ("tenure", "charges")
    ]
    drift = DriftResult(status="stable", reference="ref", reference_version="7", share=0.5, columns=drifts)
    done(run.at("detect_drift"), drift, 5.0)


def evaluated(run: RunFolder, *, production: str = "", gain: float = 0.0, auc: float = METRICS["auc_roc"]) -> None:
    candidates = [
        Candidate(algorithm="xgboost", validation=0.85, cv_mean=0.848, cv_std=0.01, seconds=20.5),
        Candidate(algorithm="lightgbm", validation=0.84, cv_mean=0.846, cv_std=0.02, seconds=10.25),
    ]
    comparison = Compared(
        metric="auc_roc", challenger=auc, production=auc - gain, gain=gain, lower=gain - 0.01, upper=gain + 0.01,
        rows=900, rows_left_out=10,
    )  # fmt: skip
    evaluation = EvaluateResult(
        winner="xgboost", candidates=candidates, model_uri="models:/m-1", model_id="m-1", run_id="r", test_rows=1000,
        metrics={**METRICS, "auc_roc": auc}, production_version=production,
        production_metrics={"auc_roc": auc - gain} if production else {},
        comparison=comparison if production else None,
        aliases={"production": production, "staging": "6"} if production else {},
    )  # fmt: skip
    done(run.at("evaluate"), evaluation, 6.0)


def decided(run: RunFolder, pipeline: Pipeline, **evaluation: Any) -> None:
    """Everything up to the decision, which is taken for real."""
    started(run, pipeline)
    ingested(run)
    checked(run)
    evaluated(run, **evaluation)
    execute(decide_run, pipeline, run.at("decide"))


def registered(run: RunFolder) -> None:
    done(run.at("register"), RegisterResult(model="churn-predictor", version="8", created=True), 7.0)


def promoted(run: RunFolder, **aliases: str) -> None:
    done(run.at("promote"), PromoteResult(model="churn-predictor", version="8", aliases=aliases), 8.0)


def test_promoted(run: RunFolder, pipeline: Pipeline) -> None:
    decided(run, pipeline, production="7", gain=0.05)
    registered(run)
    promoted(run, production="8", previous_production="7")
    summary = build_summary(run)
    assert summary.outcome == "promoted"
    assert summary.reason.startswith("better than production beyond noise: gain in auc_roc +0.0500")
    assert summary.model.model_dump() == {
        "name": "churn-predictor", "version": "8", "aliases": {"production": "8", "previous_production": "7"},
    }  # fmt: skip


@pytest.mark.parametrize("aliases", [None, {"staging": "8", "production": "7"}], ids=["none", "staging"])
def test_registered(run: RunFolder, pipeline: Pipeline, aliases: dict[str, str] | None) -> None:
    decided(run, pipeline, production="7", gain=0.05)
    registered(run)
    if aliases:
        promoted(run, **aliases)
    summary = build_summary(run)
    assert (summary.outcome, summary.model.version) == ("registered", "8")
    assert summary.reason == "passed all gates; by request it was not promoted to production"
    assert summary.model.aliases == (aliases or {"production": "7", "staging": "6"})


def test_kept(run: RunFolder, pipeline: Pipeline) -> None:
    decided(run, pipeline, production="7", gain=0.001)
    summary = build_summary(run)
    assert summary.outcome == "kept"
    assert summary.reason.startswith("not shown to be better than production by more than 0")
    assert (summary.model.version, summary.model.aliases) == ("7", {"production": "7", "staging": "6"})


def test_refused_by_a_gate(run: RunFolder, pipeline: Pipeline) -> None:
    with pytest.raises(ModelRefusedError):
        decided(run, pipeline, auc=0.5)
    summary = build_summary(run)
    assert summary.outcome == "refused"
    assert summary.reason.startswith("decide: ModelRefusedError: churn-predictor: the challenger (xgboost) is refused")
    assert [gate.name for gate in summary.gates if gate.verdict == "failed"] == ["auc_roc"]
    assert (summary.model.version, summary.model.aliases) == ("", {})


def test_refused_where_only_the_decision_was_kept(run: RunFolder, pipeline: Pipeline) -> None:
    """The process was killed between the two files."""
    with pytest.raises(ModelRefusedError):
        decided(run, pipeline, auc=0.5)
    run.filesystem.rm_file(run.at("decide").path("failure.json"))
    summary = build_summary(run)
    assert (summary.outcome, summary.reason) == ("refused", "auc_roc: 0.5 is below the limit 0.8")


def test_refused_at_acceptance(run: RunFolder, pipeline: Pipeline) -> None:
    decided(run, pipeline)
    registered(run)
    run.at("accept").fail(Failure(step="accept", error="ModelRefusedError", message="300 MB is above 200", exit_code=4))
    summary = build_summary(run)
    assert (summary.outcome, summary.reason) == ("refused", "accept: ModelRefusedError: 300 MB is above 200")
    assert summary.model.version == "8"


def test_failed(run: RunFolder, pipeline: Pipeline) -> None:
    started(run, pipeline)
    ingested(run)
    for name in ("xgboost", "lightgbm"):
        failure = Failure(step="tune", algorithm=name, error="MemoryError", message="out of memory", exit_code=1)
        run.at("tune", name).fail(failure)
    summary = build_summary(run)
    assert summary.outcome == "failed"
    assert summary.reason == "tune xgboost: MemoryError: out of memory; tune lightgbm: MemoryError: out of memory"
    assert [failure.algorithm for failure in summary.failures] == ["xgboost", "lightgbm"]
    assert (summary.candidates, summary.metrics, summary.gates, summary.winner) == ([], {}, [], "")
    assert (summary.validation, summary.drift) == (None, None)


def test_a_worker_that_failed_counts_until_its_work_is_done(run: RunFolder, pipeline: Pipeline) -> None:
    started(run, changed(pipeline, tuning={**pipeline.tuning.model_dump(mode="json"), "workers": 2}))
    killed = Failure(
        step="tune_worker", algorithm="xgboost", worker=2, error="StepKilled", message="gone", exit_code=137
    )
    run.at("tune_worker", "xgboost", 2).fail(killed)
    share = TuneWorkerResult(algorithm="xgboost", worker=1, study="s", trials=7, pruned=0, time_is_up=False)
    done(run.at("tune_worker", "xgboost", 1), share, 5.0)
    assert build_summary(run).reason == "tune_worker xgboost 2: StepKilled: gone"
    best = {"cv_mean": 0.8, "cv_std": 0.1, "fold_scores": [0.8], "params": {}}
    done(
        run.at("tune", "xgboost"),
        TuneResult(algorithm="xgboost", enabled=True, study="s", metric="auc_roc", trials=8, pruned=0, **best),
        2.0,
    )
    summary = build_summary(run)
    assert (summary.failures, summary.outcome) == ([], "unfinished")
    assert summary.seconds["tune_worker xgboost 1"] == 5.0


def test_refused_data_is_a_failed_run(run: RunFolder, pipeline: Pipeline) -> None:
    started(run, pipeline)
    run.at("validate").fail(Failure(step="validate", error="DataValidationError", message="bad", exit_code=3))
    assert build_summary(run).outcome == "failed"


def test_unfinished_before_a_decision(run: RunFolder, pipeline: Pipeline) -> None:
    started(run, pipeline)
    summary = build_summary(run)
    assert (summary.outcome, summary.reason, summary.data) == ("unfinished", "no decision was taken", None)


def test_unfinished_after_the_decision(run: RunFolder, pipeline: Pipeline) -> None:
    decided(run, pipeline)
    summary = build_summary(run)
    assert summary.outcome == "unfinished"
    assert summary.reason == "the decision is to promote, and that was not done"


def test_trained_where_no_version_was_asked_for(run: RunFolder, pipeline: Pipeline) -> None:
    decided(run, pipeline)
    run.at("register").leave_out("the command does not ask for it")
    summary = build_summary(run)
    assert (summary.outcome, [*summary.left_out]) == ("trained", ["register"])
    assert summary.reason == "passed all gates; it was not registered: the command does not ask for it"


def test_not_started(run: RunFolder) -> None:
    summary = build_summary(run)
    assert (summary.pipeline, summary.outcome) == ("churn", "unfinished")
    assert summary.reason == "the step `start` has not written the pipeline"
    assert (summary.data, summary.seconds, summary.overhead_share) == (None, {}, 0.0)


def test_failed_at_the_start(run: RunFolder) -> None:
    run.at("start").fail(Failure(step="start", error="ConfigurationError", message="no file", exit_code=2))
    summary = build_summary(run)
    assert (summary.outcome, summary.reason, len(summary.failures)) == ("failed", "no file", 1)


def test_algorithms_that_the_run_left_out_are_not_looked_at(run: RunFolder, pipeline: Pipeline) -> None:
    started(run, pipeline.for_run({"algorithms": ["xgboost"]}))
    run.at("tune", "lightgbm").fail(Failure(step="tune", algorithm="lightgbm", error="E", message="stale", exit_code=1))
    assert build_summary(run).failures == []


def test_the_json_holds_what_readers_need(run: RunFolder, pipeline: Pipeline) -> None:
    decided(run, pipeline, production="7", gain=0.05)
    registered(run)
    accept = AcceptResult(
        model="churn-predictor", version="8", rows=100, largest_difference=0, size_mb=1, latency_ms=2, memory_mb=3
    )
    done(run.at("accept"), accept, 9.0)
    promoted(run, production="8")
    address = write_summary(run.at("report"), build_summary(run.at("report")))
    assert address == f"{run.uri}/summary.json"
    found = json.loads(run.read_text("summary.json"))
    assert (found["pipeline"], found["run"], found["note"]) == ("churn", run.uri, "new tariffs")
    read = {"source": "file:///data/churn.csv", "rows": 7043, "digest": DIGEST, "sample": False}
    assert found["data"] == {**read, "tags": {}}
    assert found["validation"] == {
        "passed": True,
        "checks": 20,
        "warnings": [
            "expect_column_values_to_not_be_null(total_charges): 11 unexpected (0.16%); expected mostly 0.999"
        ],
    }
    assert found["drift"] == {
        "status": "stable", "share": 0.5, "drifted": ["tenure"], "target_drifted": False, "reference_version": "7",
        "compared": "all 0 rows, for none is new",
    }  # fmt: skip
    assert found["candidates"][1] == {
        "algorithm": "lightgbm", "cv_auc_roc": 0.846, "cv_auc_roc_std": 0.02, "validation_auc_roc": 0.84, "seconds": 10.25,
    }  # fmt: skip
    assert (found["winner"], found["metrics"]) == ("xgboost", METRICS)
    assert {"name", "value", "limit", "production", "verdict", "reason"} <= {*found["gates"][0]}
    assert [gate["name"] for gate in found["gates"]] == ["accuracy", "auc_roc", "against_production"]
    assert (found["outcome"], found["model"]["aliases"]) == ("promoted", {"production": "8"})
    assert found["seconds"].keys() == {
        "start", "ingest", "validate", "detect_drift", "evaluate", "decide", "register", "accept", "promote",
    }  # fmt: skip
    assert (found["seconds"]["start"], found["seconds"]["promote"]) == (2.0, 8.0)
    assert 0 < found["overhead_share"] < 1
    assert Summary.model_validate(found).outcome == "promoted"


def test_overhead_is_the_share_of_the_wall_time_outside_the_steps(run: RunFolder, pipeline: Pipeline) -> None:
    started(run, pipeline)
    ingested(run)
    assert build_summary(run, wall_seconds=10.0).overhead_share == pytest.approx(0.5)
    assert build_summary(run, wall_seconds=2.5).overhead_share == 0.0
    since_start = build_summary(run)
    assert 100 <= since_start.wall_seconds < 120
    assert since_start.overhead_share == pytest.approx(1 - 5 / since_start.wall_seconds)


def test_a_sample_is_said_to_be_one(run: RunFolder, pipeline: Pipeline) -> None:
    started(run, pipeline, sample=True)
    ingested(run, sample=True)
    data = build_summary(run).data
    assert data is not None
    assert data.sample


def test_the_decision_is_read_from_its_file(run: RunFolder, pipeline: Pipeline) -> None:
    decided(run, pipeline)
    assert run.at("decide").result(DecisionResult).outcome == "promote"
    assert len(build_summary(run).gates) == 3


def test_steps_left_out_are_told_until_they_are_done(run: RunFolder, pipeline: Pipeline) -> None:
    decided(run, pipeline)
    run.at("publish_features").leave_out("there is no Redis")
    run.at("tune", "xgboost").leave_out("")
    assert build_summary(run).left_out == {"publish_features": "there is no Redis"}
    published = PublishFeaturesResult(
        store="redis://r:1/0", version="v", rows=1, columns=["a"], expires_at="2026-01-04"
    )
    done(run.at("publish_features"), published)
    assert build_summary(run).left_out == {}
