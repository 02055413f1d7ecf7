"""What is decided about a challenger, gate by gate."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from trainer.decision import Decision, GateResult, decide
from trainer.pipeline import Gates
from trainer.run.records import Compared, EvaluateResult

GATES = Gates.model_validate({
    "weighted": {"accuracy": 0.75, "precision": 0.7, "recall": 0.75, "f1_score": 0.7},
    "positive": {"recall": 0.6, "precision": 0.5, "f1_score": 0.5},
    "auc_roc": 0.8,
    "auc_pr": 0.6,
    "log_loss": 0.5,
    "against_production": {"metric": "auc_roc", "min_gain": 0.01, "min_rows": 40},
})
GOOD = {
    "accuracy": 0.8, "precision": 0.8, "recall": 0.8, "f1_score": 0.8, "positive_recall": 0.7, "positive_precision": 0.6,
    "positive_f1_score": 0.65, "auc_roc": 0.85, "auc_pr": 0.65, "log_loss": 0.4,
}  # fmt: skip


def compared(gain: float = 0.03, lower: float = 0.02, upper: float = 0.04, **values: Any) -> Compared:
    """A comparison; figures that are not finite are let through, as a mistake elsewhere might."""
    defaults = {"metric": "auc_roc", "challenger": 0.85, "production": 0.82, "rows": 900, "rows_left_out": 100}
    return Compared.model_construct(**{**defaults, "gain": gain, "lower": lower, "upper": upper, **values})


def evaluation(metrics: dict[str, float] | None = None, **values: Any) -> EvaluateResult:
    defaults = {
        "winner": "xgboost", "candidates": [], "model_uri": "models:/m-1", "model_id": "m-1", "run_id": "r",
        "test_rows": 1000, "metrics": GOOD if metrics is None else metrics, "production_version": "",
        "production_metrics": {}, "comparison": None,
    }  # fmt: skip
    return EvaluateResult.model_construct(**{**defaults, **values})


def against(comparison: Compared | None, metrics: dict[str, float] | None = None) -> Decision:
    """The decision where production is version 7."""
    production = {"production_version": "7", "production_metrics": {"auc_roc": 0.82}}
    return decide(GATES, evaluation(metrics, comparison=comparison, **production))


def gate(decision: Decision, name: str) -> GateResult:
    [found] = [result for result in decision.gates if result.name == name]
    return found


def test_the_first_model_that_passes_is_promoted() -> None:
    decision = decide(GATES, evaluation())
    assert (decision.outcome, decision.compared_with) == ("promote", "")
    assert decision.reason == "there is no production model yet"
    assert {result.verdict for result in decision.gates} == {"passed"}
    assert gate(decision, "against_production").value is None


def test_a_model_that_is_better_beyond_noise_is_promoted() -> None:
    decision = against(compared())
    assert (decision.outcome, decision.compared_with) == ("promote", "7")
    assert decision.reason == (
        "better than production beyond noise: gain in auc_roc +0.0300, 95% interval +0.0200 to +0.0400 over 900 rows"
    )
    assert gate(decision, "against_production") == GateResult(
        name="against_production", value=0.03, limit=0.01, production=0.82, interval=(0.02, 0.04), kind="comparison", verdict="passed",
        reason=decision.reason, rule="better", compared_with="7",
    )  # fmt: skip
    assert gate(decision, "auc_roc").production == 0.82
    assert gate(decision, "accuracy").production is None


@pytest.mark.parametrize(
    ("lower", "outcome"),
    [
        pytest.param(0.0101, "promote", id="above"),
        pytest.param(0.01, "keep", id="exactly-at-min-gain"),
        pytest.param(0.0, "keep", id="below"),
        pytest.param(-0.02, "keep", id="around-zero"),
    ],
)
def test_the_interval_has_to_be_above_the_least_gain(lower: float, outcome: str) -> None:
    assert against(compared(lower=lower)).outcome == outcome


def test_a_model_that_is_not_shown_to_be_better_is_kept_back() -> None:
    decision = against(compared(gain=0.03, lower=0.005))
    assert decision.outcome == "keep"
    assert gate(decision, "against_production").verdict == "not_better"
    assert decision.reason.startswith("not shown to be better than production by more than 0.01: gain in auc_roc +0.03")


def test_a_model_that_is_worse_beyond_noise_is_called_worse() -> None:
    decision = against(compared(gain=-0.03, lower=-0.05, upper=-0.01))
    assert decision.outcome == "keep"
    assert decision.reason.startswith("worse than production beyond noise: gain in auc_roc -0.03")


def test_a_rollback_that_holds_keeps_production_whatever_is_better() -> None:
    better = evaluation(GOOD, comparison=compared(), production_version="7", production_metrics={"auc_roc": 0.82})
    decision = decide(GATES, better, rollback="a rollback holds")
    assert (decision.outcome, decision.reason) == ("keep", "a rollback holds")
    assert decide(GATES, evaluation({**GOOD, "auc_roc": 0.1}), rollback="a rollback holds").outcome == "refuse"


def test_a_model_that_answers_as_production_is_told_to_be_the_same() -> None:
    decision = against(compared(gain=0.0, lower=0.0, upper=0.0))
    assert decision.outcome == "keep"
    assert decision.reason.endswith("one that is fitted again on the same rows with the same parameters does")


def test_a_model_that_is_worse_is_kept_back_and_not_refused() -> None:
    assert against(compared(gain=-0.1, lower=-0.12, upper=-0.08)).outcome == "keep"


@pytest.mark.parametrize("name", GOOD)
def test_each_gate_refuses_on_its_own(name: str) -> None:
    falling = name == "log_loss"
    decision = decide(GATES, evaluation({**GOOD, name: 0.6 if falling else 0.3}))
    limit = next(limit.limit for limit in GATES.limits() if limit.metric == name)
    expected = f"0.6 is above the limit {limit:g}" if falling else f"0.3 is below the limit {limit:g}"
    assert (decision.outcome, decision.reason) == ("refuse", f"{name}: {expected}")
    assert [result.name for result in decision.gates if result.verdict == "failed"] == [name]


@pytest.mark.parametrize("name", GOOD)
def test_a_figure_exactly_at_its_limit_passes(name: str) -> None:
    limit = next(limit.limit for limit in GATES.limits() if limit.metric == name)
    decision = decide(GATES, evaluation({**GOOD, name: limit}))
    assert decision.outcome == "promote"
    assert gate(decision, name).reason == f"{limit:g} is at {'most' if name == 'log_loss' else 'least'} {limit:g}"


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_figure_refuses(name: str) -> None:
    decision = decide(GATES, evaluation({key: value for key, value in GOOD.items() if key != name}))
    assert (decision.outcome, decision.reason) == ("refuse", f"{name}: the figure is missing")
    assert gate(decision, name).value is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=["nan", "inf", "minus-inf"])
@pytest.mark.parametrize("name", ["auc_roc", "log_loss"])
def test_a_figure_that_is_not_finite_refuses(name: str, value: float) -> None:
    decision = decide(GATES, evaluation({**GOOD, name: value}))
    assert (decision.outcome, gate(decision, name).value) == ("refuse", None)
    assert decision.reason == f"{name}: the figure is {value}, which is no number to judge by"


@pytest.mark.parametrize("figure", ["gain", "lower", "upper"])
@pytest.mark.parametrize("value", [math.nan, math.inf], ids=["nan", "inf"])
def test_a_comparison_that_is_not_finite_refuses(figure: str, value: float) -> None:
    decision = against(compared(**{figure: value}))
    assert decision.outcome == "refuse"
    assert decision.reason == "against_production: the comparison with production gave no number to judge by"


def test_too_few_rows_to_compare_refuse() -> None:
    decision = against(None)
    assert decision.outcome == "refuse"
    assert decision.reason == (
        "against_production: fewer than 40 test rows are new to production version 7, and 40 are needed to compare the "
        "two models"
    )


def test_too_few_rows_to_compare_keep_where_newer_ones_will_come() -> None:
    waiting = evaluation(production_version="7", comparison=None, rows_new_to_production=12)
    decision = decide(GATES, waiting, waits_for_rows=True)
    assert (decision.outcome, gate(decision, "against_production").verdict) == ("keep", "not_better")
    assert decision.reason.startswith("12 of 1,000 test rows are new to production version 7, and 40 are needed")
    refused = decide(GATES, evaluation({**GOOD, "auc_roc": 0.1}, production_version="7"), waits_for_rows=True)
    assert refused.outcome == "refuse"


def test_a_better_model_that_fails_a_limit_is_refused() -> None:
    assert against(compared(), {**GOOD, "positive_recall": 0.1}).outcome == "refuse"


def test_a_model_that_is_no_better_and_fails_a_limit_is_refused() -> None:
    decision = against(compared(lower=-0.1), {**GOOD, "positive_recall": 0.1})
    assert (decision.outcome, decision.reason) == ("refuse", "positive_recall: 0.1 is below the limit 0.6")


def test_all_gates_that_fail_are_named() -> None:
    decision = against(None, {**GOOD, "accuracy": 0.1, "log_loss": 2.0})
    assert [part.split(":")[0] for part in decision.reason.split("; ")] == [
        "accuracy",
        "log_loss",
        "against_production",
    ]


def test_figures_of_a_regression_are_told_apart() -> None:
    gates = Gates.model_validate({"rmse": 45_000, "r2": 0.8, "against_production": {"metric": "rmse"}})
    decision = decide(gates, evaluation({"rmse": 45_000.6, "r2": 0.9}))
    assert decision.reason == "rmse: 45000.6 is above the limit 45000"


def test_without_limits_the_comparison_decides() -> None:
    gates = Gates.model_validate({"against_production": {"metric": "auc_roc"}})
    assert decide(gates, evaluation({})).outcome == "promote"
    assert decide(gates, evaluation({}, production_version="7", comparison=compared(lower=-1))).outcome == "keep"


@pytest.mark.parametrize("figure", ["gain", "lower", "upper", "production"])
def test_a_decision_without_numbers_still_is_json(figure: str) -> None:
    decision = against(compared(**{figure: math.nan}), {**GOOD, "auc_roc": math.nan})
    assert Decision.model_validate_json(decision.model_dump_json()) == decision


FORGED: tuple[Any, ...] = (None, math.nan, math.inf, -math.inf, "0.9", True, [], 10**400)


def test_no_forged_figure_promotes() -> None:
    """Each of 2,000 evaluations has one to four figures that are missing, not finite or not numbers."""
    random = Random(1)  # noqa: S311  (which figures are forged is no secret)
    for _ in range(2000):
        metrics: dict[str, Any] = dict(GOOD)
        better = compared()
        limited = [limit.metric for limit in GATES.limits()]
        places = random.sample([*limited, "gain", "lower", "upper", "comparison"], random.randint(1, 4))
        for place in places:
            if place in GOOD:
                metrics[place] = random.choice(FORGED[:4])
            elif place == "comparison":
                better = None  # type: ignore[assignment]
            elif better is not None:
                better = better.model_copy(update={place: random.choice(FORGED[1:4])})
        forged = evaluation(metrics, comparison=better, production_version="7", production_metrics={"auc_roc": 0.82})
        assert decide(GATES, forged).outcome == "refuse", places


@pytest.mark.parametrize("value", FORGED, ids=repr)
def test_a_record_takes_no_figure_that_is_not_finite(value: Any) -> None:
    good = evaluation(GOOD).model_dump(mode="json")
    assert EvaluateResult.model_validate(good).metrics == GOOD
    record = {**good, "metrics": {**GOOD, "auc_roc": value}}
    if value in ("0.9", True):  # read as 0.9 and 1.0
        assert math.isfinite(EvaluateResult.model_validate(record).metrics["auc_roc"])
    else:
        with pytest.raises(ValidationError):
            EvaluateResult.model_validate(record)
