"""The summary as a person reads it."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.decision import GateResult
from trainer.run.cost import RunCost
from trainer.run.memory import MemoryState
from trainer.run.records import Failure
from trainer.summary.summary import DataSummary, ModelSummary, Summary
from trainer.summary.terminal import MEANINGS, render

DATA = DataSummary(source="file:///data/churn.csv", rows=7043, digest="0123456789abcdef", sample=False)
CANDIDATES: list[dict[str, Any]] = [
    {"algorithm": "xgboost", "cv_auc_roc": 0.84812, "seconds": 20_345.25},
    {"algorithm": "lightgbm", "cv_auc_roc": 0.8, "seconds": 1.0},
]
GATES = [
    GateResult(name="auc_roc", value=0.845, limit=0.8, production=0.82, verdict="passed", reason="fine"),
    GateResult(name="rmse", value=45_032.25, limit=45_000, verdict="failed", reason="above"),
    GateResult(name="recall", value=None, limit=0.6, verdict="failed", reason="missing"),
    GateResult(name="against_production", value=0.025, limit=0.01, verdict="not_better", reason="noise"),
]
DRIFT = {"status": "stable", "share": 0.5, "drifted": ["tenure"], "target_drifted": False, "reference_version": "7",
         "compared": "30 rows newer than all that production knows"}  # fmt: skip


def summary(**values: Any) -> Summary:
    defaults: dict[str, Any] = {
        "pipeline": "churn", "run": "s3://runs/churn/key-1", "note": "", "outcome": "promoted", "reason": "it is better",
        "data": DATA, "validation": {"passed": True, "checks": 20, "warnings": []}, "drift": DRIFT,
        "candidates": CANDIDATES, "winner": "xgboost", "metrics": {}, "production_metrics": {}, "gates": GATES,
        "model": ModelSummary(name="churn-predictor", version="8", aliases={"production": "8", "old": "7"}), "failures": [],
        "seconds": {"start": 2.0, "tune xgboost": 30.04}, "wall_seconds": 64.0, "overhead_share": 0.5,
    }  # fmt: skip
    return Summary.model_validate({**defaults, **values})


def lines(**values: Any) -> list[str]:
    return render(summary(**values)).splitlines()


@pytest.mark.parametrize(
    ("data", "first"),
    [
        pytest.param(DATA, "Pipeline churn on file:///data/churn.csv (7,043 rows, digest 0123456789ab)", id="real"),
        pytest.param(
            DATA.model_copy(update={"sample": True, "source": "sample:telco"}),
            "Pipeline churn on the BUILT-IN SAMPLE, not on real data: sample:telco (7,043 rows, digest 0123456789ab)",
            id="sample",
        ),
        pytest.param(None, "Pipeline churn: no data was read.", id="none"),
    ],
)
def test_the_first_line_says_what_data_it_rests_on(data: DataSummary | None, first: str) -> None:
    assert lines(data=data)[0] == first


@pytest.mark.parametrize("outcome", MEANINGS)
def test_the_second_and_third_line_say_what_happened_and_why(outcome: str) -> None:
    found = lines(outcome=outcome)
    assert found[1].startswith(f"{outcome.upper()}: ")
    assert found[2] == "Why: it is better"


def test_the_model_and_its_aliases() -> None:
    assert "Model: churn-predictor version 8 (old → 7, production → 8)" in lines()
    empty = ModelSummary(name="churn-predictor", version="", aliases={})
    assert "Model: churn-predictor version - (no aliases)" in lines(model=empty)
    assert not [line for line in lines(model=ModelSummary(name="", version="", aliases={})) if line.startswith("Model")]


def test_tables_are_aligned_and_figures_are_readable() -> None:
    found = lines()
    place = found.index("Candidates:")
    assert found[place + 1 : place + 4] == [
        "  algorithm  cv_auc_roc  seconds",
        "  xgboost    0.8481      20345.2",
        "  lightgbm   0.8000      1.0",
    ]
    place = found.index("Gates (test rows):")
    assert found[place + 1 : place + 6] == [
        "  gate                value    limit  production  verdict",
        "  auc_roc             0.845    0.8    0.82        pass",
        "  rmse                45032.2  45000  -           FAIL",
        "  recall              -        0.6    -           FAIL",
        "  against_production  0.025    0.01   -           no gain",
    ]


def test_the_rule_not_worse_is_shown_with_its_figures() -> None:
    found = lines(rule="not_worse, margin 0.01; the gain's lower bound: +0.002 against production")
    after_gates = found.index("Gates (test rows):") + len(GATES) + 2
    assert found[after_gates] == "Rule: not_worse, margin 0.01; the gain's lower bound: +0.002 against production"
    assert not any(line.startswith("Rule:") for line in lines())


def test_segments_and_behaviour_have_tables_of_their_own() -> None:
    judged = [
        GateResult(name="contract=One year: auc_roc", value=0.71, limit=0.7, production=0.7, rows=220, kind="slice",
                   verdict="passed", reason="fine"),
        GateResult(name="url=a: b: rows", value=3, limit=30, rows=3, kind="slice", verdict="failed", reason="few"),
        GateResult(name="behaviour: tenure: more of it", value=-0.021, limit=0, rows=900, kind="behaviour",
                   verdict="passed", reason="falls"),
        GateResult(name="behaviour: id", value=None, limit=0, rows=0, kind="behaviour", verdict="failed",
                   reason="no row"),
    ]  # fmt: skip
    found = lines(gates=[GATES[0], *judged, GATES[3]])
    place = found.index("Gates (test rows):")
    assert [line.split()[0] for line in found[place + 2 : place + 4]] == ["auc_roc", "against_production"]
    place = found.index("Slices (test rows):")
    assert found[place + 1 : place + 4] == [
        "  segment            metric   rows  value  limit  production  verdict",
        "  contract=One year  auc_roc  220   0.71   0.7    0.7         pass",
        "  url=a: b           rows     3     3      30     -           FAIL",
    ]
    place = found.index("Behaviour (validation rows):")
    assert found[place + 1 : place + 4] == [
        "  expectation         rows  change  limit  verdict",
        "  tenure: more of it  900   -0.021  0      pass",
        "  id                  0     -       0      FAIL",
    ]


def test_warnings_are_listed() -> None:
    found = lines(validation={"passed": True, "checks": 3, "warnings": ["a(b): 1 unexpected", "c(d): failed"]})
    place = found.index("Validation: 3 checks, 2 warnings")
    assert found[place + 1 : place + 3] == ["  warning: a(b): 1 unexpected", "  warning: c(d): failed"]


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        pytest.param(
            DRIFT,
            "stable: 50% of the columns drifted (tenure) since production version 7; compared: 30 rows newer than all that production knows",
            id="stable",
        ),
        pytest.param(
            {**DRIFT, "status": "drifted", "drifted": [], "share": 0.0, "target_drifted": True},
            "drifted: 0% of the columns drifted, and the target has drifted since production version 7; compared: 30 rows newer than all that production knows",
            id="target",
        ),
        pytest.param(
            {**DRIFT, "status": "no_reference"},
            "no production model yet, so nothing to compare with",
            id="no-reference",
        ),
    ],
)
def test_drift_in_a_line(drift: dict[str, Any], expected: str) -> None:
    assert f"Drift: {expected}" in lines(drift=drift)


def test_times_and_the_folder_come_last() -> None:
    assert lines()[-3:] == [
        "Seconds: start 2.0, tune xgboost 30.0; 64 in all, 50% of it outside the steps",
        "Cost: not counted, since no rates are set (TRAINER_CPU_CORE_HOUR_RATE and TRAINER_GPU_HOUR_RATE)",
        "Run folder: s3://runs/churn/key-1",
    ]


def test_parts_that_were_not_reached_are_left_out() -> None:
    nothing: dict[str, Any] = {
        "data": None,
        "validation": None,
        "drift": None,
        "candidates": [],
        "gates": [],
        "seconds": {},
    }
    found = lines(outcome="unfinished", model=ModelSummary(name="", version="", aliases={}), **nothing)
    assert [line.split(":")[0] for line in found] == ["Pipeline churn", "UNFINISHED", "Why", "Run folder"]


COST = RunCost(cpu_usd=0.0136, gpu_usd=0.25, steps={"start": 0.0036, "tune xgboost": 0.26})


@pytest.mark.parametrize(
    ("values", "line"),
    [
        pytest.param({"cost": COST}, "Cost: $0.2636 (CPU $0.0136, GPU $0.2500)", id="counted"),
        pytest.param(
            {"cost": COST, "seconds": {"start": 1.0, "tune xgboost": 2.0, "train xgboost": 2.0, "decide": 0.1}},
            "Cost: $0.2636 (CPU $0.0136, GPU $0.2500); not counted: train xgboost",
            id="in-part",
        ),
        pytest.param(
            {"cost": RunCost(cpu_usd=0, gpu_usd=0, steps={"start": 0, "tune xgboost": 0})},
            "Cost: $0 (CPU $0, GPU $0)",
            id="for-nothing",
        ),
        pytest.param(
            {"cost": None},
            "Cost: not counted, since no rates are set (TRAINER_CPU_CORE_HOUR_RATE and TRAINER_GPU_HOUR_RATE)",
            id="not-counted",
        ),
    ],
)
def test_what_the_run_cost_or_that_it_is_not_counted(values: dict[str, Any], line: str) -> None:
    assert [found for found in lines(**values) if found.startswith("Cost")] == [line]


def test_a_run_without_a_step_has_no_cost_to_tell() -> None:
    assert not [line for line in lines(seconds={}) if line.startswith("Cost")]


def test_memory_that_ran_out_is_told_with_what_to_do() -> None:
    known = MemoryState(ran_out_at="2Gi", memory="4096Mi")
    steps = dict.fromkeys(("tune_worker xgboost 1", "tune xgboost", "evaluate", "refit_everything"), known)
    assert (
        "Memory: tune_worker xgboost 1 ran out of 2Gi and got 4096Mi; tune xgboost ran out of 2Gi and got 4096Mi; "
        "evaluate ran out of 2Gi and got 4096Mi; refit_everything ran out of 2Gi and got 4096Mi. Raise "
        "`resources.tune.memory` and `resources.evaluate.memory` and `resources.refit.memory`, so that the next run "
        "does not try in vain" in lines(memory=steps)
    )
    assert not [line for line in lines() if line.startswith("Memory")]


def test_what_was_promoted_before_a_failure_is_said_to_stay() -> None:
    assert lines(outcome="failed")[1].endswith("production stays, unless `promote` had begun to move it.")
    after = lines(outcome="failed", seconds={"start": 2.0, "promote": 1.0})
    assert after[1] == "FAILED: a step after the promotion failed; what was promoted stays so."
    by_hand = Failure(step="validate", error="DataValidationError", message="run again by hand", exit_code=3)
    earlier = lines(outcome="failed", seconds={"start": 2.0, "promote": 1.0}, failures=[by_hand])
    assert "a step after the promotion" not in earlier[1]


def test_steps_that_the_run_did_without_are_named_with_why() -> None:
    assert "Left out: publish_features: there is no Redis" in lines(left_out={"publish_features": "there is no Redis"})
    assert not [line for line in lines() if line.startswith("Left out")]
