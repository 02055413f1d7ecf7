"""The step `report`: the run's record is closed, however it ended."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Run

from trainer.decision import Decision, GateResult
from trainer.errors import ModelRefusedError
from trainer.pipeline import pipeline_of
from trainer.registry.run_metrics import gate_metrics
from trainer.registry.tracking import PIPELINE_TAG, RUN_KEY_TAG, TASK_TAG
from trainer.run.records import EvaluateResult, ReportResult, StartResult


def report(runs: Any) -> ReportResult:
    runs.step("report")
    result: ReportResult = runs.folder.at("report").result(ReportResult)
    return result


def parent(runs: Any) -> Run:
    return runs.client.get_run(runs.folder.at("start").result(StartResult).run_id)


def left_running(runs: Any) -> str:
    experiment = runs.folder.at("start").result(StartResult).experiment_id
    run = runs.client.create_run(
        experiment, tags={PIPELINE_TAG: "churn", RUN_KEY_TAG: "run-1", TASK_TAG: "train forest"}
    )
    return str(run.info.run_id)


def test_a_promoted_run_ends_well(accepted: Any, tmp_path: Path) -> None:
    accepted.step("promote")
    result = report(accepted)
    run = parent(accepted)
    evaluation = accepted.folder.at("evaluate").result(EvaluateResult)
    assert (result.outcome, run.info.status) == ("promoted", "FINISHED")
    assert run.data.tags.items() >= {"outcome": "promoted", "winner": "logistic"}.items()
    assert len(run.data.tags["data.digest"]) == 64
    assert run.data.tags["data.source"].startswith("sample://telco")
    figures = {f"test_{name}": value for name, value in evaluation.metrics.items()}
    decision = Decision.model_validate_json(accepted.folder.at("decide").read_text("decision.json"))
    assert run.data.metrics == pytest.approx({**figures, **gate_metrics(decision.gates)})
    assert run.data.metrics["gate/auc_roc/passed"] == 1
    assert run.data.tags["reason"] == decision.reason
    summary = json.loads(accepted.folder.at("").read_text("summary.json"))
    assert summary["model"] == {"name": accepted.model, "version": "1", "aliases": {"production": "1", "staging": "1"}}
    logged = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="summary.json", dst_path=str(tmp_path / "out")
    )
    assert json.loads(Path(logged).read_text(encoding="utf-8")) == summary
    assert result.summary == accepted.folder.at("").uri_of("summary.json")


def test_a_run_that_was_asked_not_to_promote_ends_well(accepted: Any) -> None:
    assert report(accepted).outcome == "registered"
    assert parent(accepted).info.status == "FINISHED"


def test_gates_of_segments_are_metrics_of_the_run(accepted: Any) -> None:
    """Whatever a segment is called, MLflow takes the name."""
    names = ["One year", "one/Jahr: 50 %", "One-year"]
    judged = [
        GateResult(
            name=f"plan={name}: auc_roc", value=value, limit=0, rows=9, kind="slice", verdict="passed", reason=""
        )
        for value, name in enumerate(names, start=1)
    ]
    decision = Decision.model_validate_json(accepted.folder.at("decide").read_text("decision.json"))
    with_segments = decision.model_copy(update={"gates": [*judged, *decision.gates]})
    accepted.folder.at("decide").write_json("decision.json", with_segments.model_dump(mode="json"))
    report(accepted)
    found = {
        name: value for name, value in parent(accepted).data.metrics.items() if re.match("gate/slice.*/value", name)
    }
    assert found == {
        "gate/slice_plan_One_year_auc_roc/value": 1,
        "gate/slice_plan_one_Jahr_50_auc_roc/value": 2,
        "gate/slice_plan_One_year_auc_roc__2/value": 3,
    }


def test_a_refused_run_is_a_failed_one(accepted: Any) -> None:
    gates = {**accepted.frozen.gates.model_dump(mode="json"), "auc_roc": 0.999}
    strict = pipeline_of({**accepted.frozen.model_dump(mode="json"), "gates": gates})
    with pytest.raises(ModelRefusedError):
        accepted.step("decide", pipeline=strict)
    assert report(accepted).outcome == "refused"
    assert parent(accepted).info.status == "FAILED"
    assert parent(accepted).data.tags["outcome"] == "refused"


def test_after_a_failure_no_run_stays_running(trained: Any) -> None:
    child = left_running(trained)
    trained.edit("engineer_features", rows="lost")
    with pytest.raises(ValueError, match="rows"):
        trained.step("train", "logistic")
    result = report(trained)
    assert (result.outcome, parent(trained).info.status) == ("failed", "FAILED")
    assert trained.client.get_run(child).info.status == "KILLED"
    experiment = trained.folder.at("start").result(StartResult).experiment_id
    assert list(trained.client.search_runs([experiment], "attributes.status = 'RUNNING'")) == []
    summary = json.loads(trained.folder.at("").read_text("summary.json"))
    assert [failure["step"] for failure in summary["failures"]] == ["train"]
    assert "test_auc_roc" not in parent(trained).data.metrics


def test_a_run_that_did_not_get_to_its_end_is_not_a_success(trained: Any) -> None:
    assert report(trained).outcome == "unfinished"
    assert parent(trained).info.status == "FAILED"


def test_runs_of_others_are_left_alone(trained: Any) -> None:
    experiment = trained.folder.at("start").result(StartResult).experiment_id
    other = trained.client.create_run(
        experiment, tags={PIPELINE_TAG: "churn", RUN_KEY_TAG: "run-2", TASK_TAG: "train logistic"}
    )
    report(trained)
    assert trained.client.get_run(other.info.run_id).info.status == "RUNNING"


def test_reported_again_the_record_is_the_same(accepted: Any) -> None:
    accepted.step("promote")
    assert report(accepted).outcome == report(accepted).outcome == "promoted"
    assert parent(accepted).info.status == "FINISHED"


def test_what_the_steps_cost_together_is_in_mlflow(accepted: Any) -> None:
    accepted.edit("ingest", cost_usd=0.75, cost_gpu_usd=0.5)
    accepted.edit("evaluate", cost_usd=0.25, cost_gpu_usd=0.0)
    report(accepted)
    costs = {name: value for name, value in parent(accepted).data.metrics.items() if name.startswith("cost_")}
    assert costs == pytest.approx({"cost_cpu_usd": 0.5, "cost_gpu_usd": 0.5, "cost_total_usd": 1.0})
    summary = json.loads(accepted.folder.at("").read_text("summary.json"))
    assert summary["cost"] == {
        "cpu_usd": 0.5, "gpu_usd": 0.5, "total_usd": 1.0, "steps": {"ingest": 0.75, "evaluate": 0.25}
    }  # fmt: skip


def test_what_is_not_counted_is_no_figure_in_mlflow(accepted: Any) -> None:
    report(accepted)
    assert not [name for name in parent(accepted).data.metrics if name.startswith("cost_")]
    assert json.loads(accepted.folder.at("").read_text("summary.json"))["cost"] is None
