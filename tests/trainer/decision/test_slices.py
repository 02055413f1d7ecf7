"""What is decided about segments: a model that is good on the whole may fail in one of them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainer.decision import Decision, decide
from trainer.pipeline import Gates
from trainer.run.records import Compared, EvaluateResult, Segment

CONTRACT = {"column": "contract", "segments": ["month", "year"], "min_rows": 50, "limits": {"auc_roc": 0.7}}


def gates(**slice_values: Any) -> Gates:
    return Gates.model_validate({
        "auc_roc": 0.8,
        "against_production": {"metric": "auc_roc"},
        "slices": [{**CONTRACT, **slice_values}],
    })


def compared(gain: float = 0.03, spread: float = 0.01, **values: Any) -> Compared:
    """A comparison; figures that are not finite are let through, as a mistake elsewhere might."""
    defaults = {
        "metric": "auc_roc", "challenger": 0.85, "production": 0.85 - gain, "gain": gain,
        "lower": gain - spread, "upper": gain + spread, "rows": 90, "rows_left_out": 10,
    }  # fmt: skip
    return Compared.model_construct(**{**defaults, **values})


def segment(name: str, auc: float | None = 0.75, rows: int = 100, **values: Any) -> Segment:
    metrics = {} if auc is None else {"auc_roc": auc}
    return Segment.model_construct(**{
        "column": "contract",
        "segment": name,
        "rows": rows,
        "metrics": metrics,
        **values,
    })


def decided(
    rules: Gates, *segments: Segment, production: bool = False, enough: bool = True, waits: bool = False
) -> Decision:
    """The decision on a model that is good, and with a production better, on the whole."""
    evaluation = EvaluateResult.model_construct(
        winner="logistic",
        candidates=[],
        model_uri="",
        model_id="",
        run_id="",
        test_rows=1000,
        metrics={"auc_roc": 0.9},
        slices=list(segments),
        production_version="7" if production else "",
        comparison=compared() if production and enough else None,
    )
    return decide(rules, evaluation, waits_for_rows=waits)


def verdicts(decision: Decision) -> dict[str, str]:
    return {gate.name: gate.verdict for gate in decision.gates if gate.kind == "slice"}


def test_every_segment_is_a_gate_of_its_own() -> None:
    decision = decided(gates(), segment("month", 0.7, production_metrics={"auc_roc": 0.6}), segment("year", 0.8))
    assert (decision.outcome, verdicts(decision)) == (
        "promote",
        {"contract=month: auc_roc": "passed", "contract=year: auc_roc": "passed"},
    )
    month = next(gate for gate in decision.gates if gate.name == "contract=month: auc_roc")
    assert (month.value, month.limit, month.production, month.rows) == (0.7, 0.7, 0.6, 100)


def test_a_limit_missed_in_one_segment_refuses_although_the_whole_passes() -> None:
    decision = decided(gates(), segment("month"), segment("year", 0.69))
    assert (decision.outcome, decision.reason) == ("refuse", "contract=year: auc_roc: 0.69 is below the limit 0.7")
    assert decision.gates[0].verdict == decision.gates[-1].verdict == "passed"


def test_a_metric_that_falls_has_an_upper_limit() -> None:
    found = segment("month", metrics={"brier_score": 0.3})
    decision = decided(gates(segments=["month"], limits={"brier_score": 0.24}), found)
    assert decision.reason == "contract=month: brier_score: 0.3 is above the limit 0.24"


@pytest.mark.parametrize(
    ("segments", "rows"),
    [
        pytest.param([segment("month")], 0, id="not-judged"),
        pytest.param([segment("month"), segment("year", None, rows=0)], 0, id="no-row"),
        pytest.param([segment("month"), segment("year", rows=49)], 49, id="too-few"),
        pytest.param([segment("month"), segment("year", column="plan")], 0, id="of-another-column"),
    ],
)
def test_a_segment_of_which_nothing_is_known_refuses(segments: list[Segment], rows: int) -> None:
    decision = decided(gates(), *segments)
    assert decision.outcome == "refuse"
    assert decision.reason == (
        f"contract=year: rows: segment 'year' of contract has {rows} test rows, 50 are needed to judge it"
    )
    assert verdicts(decision) == {"contract=month: auc_roc": "passed", "contract=year: rows": "failed"}


def test_a_segment_with_just_enough_rows_is_judged() -> None:
    assert decided(gates(segments=["year"]), segment("year", rows=50)).outcome == "promote"


def test_without_a_list_the_segments_that_were_judged_count_and_none_refuses() -> None:
    rules = gates(segments=[])
    assert verdicts(decided(rules, segment("b"), segment("a", 0.1))) == {
        "contract=b: auc_roc": "passed",
        "contract=a: auc_roc": "failed",
    }
    assert decided(rules).reason == "contract: rows: no segment of contract was judged"


def test_without_limits_only_the_rows_count() -> None:
    decision = decided(gates(limits={}), segment("month"), segment("year", rows=3))
    assert verdicts(decision) == {"contract=month: rows": "passed", "contract=year: rows": "failed"}


def test_a_figure_that_is_undefined_on_a_segment_refuses() -> None:
    decision = decided(gates(segments=["month"]), segment("month", None))
    assert decision.reason == (
        "contract=month: auc_roc: it is not defined on this segment's 100 test rows, which lack a class or differing "
        "targets"
    )


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["nan", "inf"])
def test_a_figure_that_is_not_finite_refuses(value: float) -> None:
    decision = decided(gates(segments=["month"]), segment("month", value))
    assert decision.reason == f"contract=month: auc_roc: the figure is {value}, which is no number to judge by"


LOSS = {"segments": ["month"], "limits": {}, "max_loss": 0.05}


@pytest.mark.parametrize(
    ("gain", "outcome"),
    [
        pytest.param(-0.07, "refuse", id="worse-beyond-noise"),
        pytest.param(-0.06, "promote", id="upper-end-at-the-limit"),
        pytest.param(-0.01, "promote", id="a-little-worse"),
        pytest.param(0.1, "promote", id="better"),
    ],
)
def test_a_segment_shown_to_be_worse_than_production_refuses_although_the_whole_is_better(
    gain: float, outcome: str
) -> None:
    found = compared(gain, upper=round(gain + 0.01, 3))
    decision = decided(gates(**LOSS), segment("month", comparison=found), production=True)
    assert decision.outcome == outcome
    [gate] = [gate for gate in decision.gates if gate.kind == "slice"]
    assert (gate.name, gate.value, gate.limit, gate.rows) == ("contract=month: auc_roc loss", -gain, 0.05, 90)
    if outcome == "refuse":
        assert decision.reason == (
            "contract=month: auc_roc loss: worse than production by more than 0.05, beyond noise: gain in auc_roc "
            "-0.0700, interval -0.0800 to -0.0600 over 90 rows"
        )
        assert decision.gates[-1].verdict == "passed"


@pytest.mark.parametrize("not_compared", ["12 of its test rows are new to production, 50 are needed", ""])
def test_a_segment_that_cannot_be_compared_refuses(not_compared: str) -> None:
    decision = decided(gates(**LOSS), segment("month", not_compared=not_compared), production=True)
    assert decision.outcome == "refuse"
    assert decision.reason == (
        "contract=month: auc_roc loss: it cannot be compared with production: "
        f"{not_compared or 'no comparison was made'}"
    )


@pytest.mark.parametrize("figure", ["gain", "lower", "upper"])
def test_a_comparison_that_is_not_finite_refuses(figure: str) -> None:
    found = compared(**{figure: math.nan})
    decision = decided(gates(**LOSS), segment("month", comparison=found), production=True)
    assert decision.reason == "contract=month: auc_roc loss: the comparison with production gave no number to judge by"
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


def test_a_segment_waits_with_the_whole_for_rows_that_can_be_compared() -> None:
    segments = [segment("month", not_compared="3 of its test rows are new to production"), segment("year")]
    rules = gates(max_loss=0.05)
    outcomes = [
        decided(rules, *segments, production=True, enough=False, waits=waits).outcome for waits in (True, False)
    ]
    assert outcomes == ["keep", "refuse"]


def test_without_production_nothing_is_lost() -> None:
    assert verdicts(decided(gates(**LOSS), segment("month"))) == {"contract=month: rows": "passed"}
