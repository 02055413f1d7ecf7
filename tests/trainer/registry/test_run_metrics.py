"""Gates and drift as metrics of a run."""

from __future__ import annotations

import math

from trainer.decision import GateResult
from trainer.registry.run_metrics import drift_metrics, gate_metrics
from trainer.run.records import ColumnDrift, DriftResult


def gate(name: str, value: float | None, verdict: str = "passed", kind: str = "figure") -> GateResult:
    return GateResult.model_validate({
        "name": name,
        "value": value,
        "limit": 0.5,
        "verdict": verdict,
        "kind": kind,
        "reason": "as it is",
    })


def column(name: str, value: float, threshold: float = 0.5) -> ColumnDrift:
    statistics, thresholds = {"ks": value, "psi": 0.0}, {"ks": threshold, "psi": 0.25}
    return ColumnDrift(
        column=name, kind="numeric", statistics=statistics, thresholds=thresholds, drifted=value > threshold
    )


def test_a_gate_has_its_value_its_limit_and_its_verdict() -> None:
    assert gate_metrics([gate("auc_roc", 0.75)]) == {
        "gate/auc_roc/value": 0.75, "gate/auc_roc/limit": 0.5, "gate/auc_roc/passed": 1.0,
    }  # fmt: skip


def test_a_comparison_with_a_margin_has_its_bound() -> None:
    bounded = gate("against_anchor", -0.001, "may_be_worse").model_copy(update={"bound": -0.02})
    assert gate_metrics([bounded]) == {
        "gate/against_anchor/value": -0.001, "gate/against_anchor/limit": 0.5, "gate/against_anchor/bound": -0.02,
        "gate/against_anchor/passed": 0.0,
    }  # fmt: skip


def test_a_gate_that_is_not_passed() -> None:
    assert gate_metrics([gate("auc_roc", 0.25, "failed")])["gate/auc_roc/passed"] == 0
    assert gate_metrics([gate("against_production", 0.0, "not_better")])["gate/against_production/passed"] == 0


def test_a_gate_whose_metric_is_missing_has_no_value() -> None:
    assert gate_metrics([gate("auc_roc", None, "failed")]) == {"gate/auc_roc/limit": 0.5, "gate/auc_roc/passed": 0.0}


def test_gates_whose_names_differ_in_signs_only_stay_apart() -> None:
    found = gate_metrics([gate("plan=a/b: recall", 0.5, kind="slice"), gate("plan=a b: recall", 0.25, kind="slice")])
    values = {name: value for name, value in found.items() if name.endswith("/value")}
    assert values == {"gate/slice_plan_a_b_recall/value": 0.5, "gate/slice_plan_a_b_recall__2/value": 0.25}


def test_drift_is_relative_to_the_threshold() -> None:
    drift = DriftResult(status="drifted", share=0.5, columns=[column("age", 1.0), column("income", 0.25)])
    assert drift_metrics(drift) == {"drift/age": 2.0, "drift/income": 0.5, "drift_share": 0.5}


def test_the_target_counts_among_the_columns_of_drift() -> None:
    drift = DriftResult(status="stable", columns=[column("age", 0.0)], target=column("churn", 0.25))
    assert drift_metrics(drift) == {"drift/age": 0.0, "drift/churn": 0.5, "drift_share": 0.0}


def test_drift_above_a_threshold_of_zero_is_infinite() -> None:
    drift = DriftResult(status="drifted", columns=[column("age", 0.1, 0.0), column("income", 0.0, 0.0)])
    assert drift_metrics(drift) == {"drift/age": math.inf, "drift/income": 0.0, "drift_share": 0.0}


def test_without_production_there_is_no_drift() -> None:
    assert drift_metrics(DriftResult(status="no_reference")) == {}
