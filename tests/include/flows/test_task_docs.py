"""What Airflow's UI tells about a DAG and its tasks."""

from __future__ import annotations

import pytest

from include.flows.task_docs import TASK_DOCS, dag_docs
from trainer.pipeline import Pipeline
from trainer.run.flow import ALL_STEPS, APPROVE_REQUEST, APPROVE_START


def test_every_step_and_the_mail_are_described_and_nothing_else() -> None:
    assert list(TASK_DOCS) == [APPROVE_START, APPROVE_REQUEST, *ALL_STEPS, "notify"]


@pytest.mark.parametrize("task", list(TASK_DOCS))
def test_a_description_is_a_sentence(task: str) -> None:
    text = TASK_DOCS[task]
    assert text[0].isupper()
    assert text.endswith(".")
    assert "  " not in text


def test_a_pipelines_page_says_what_it_does(churn: Pipeline) -> None:
    page = dag_docs(churn)
    assert page.startswith("### Which telephone customers are about to leave\n")
    assert "Predicts `churn` (binary classification) with xgboost, lightgbm, random_forest" in page
    assert "`churn-predictor`" in page
    assert "`customer-churn-prediction`" in page


def test_a_pipelines_page_names_every_gate(churn: Pipeline) -> None:
    page = dag_docs(churn)
    for limit in churn.gates.limits():
        assert f"| {limit.metric} | {'≥' if limit.better == 'higher' else '≤'} {limit.limit:g} |" in page
    assert "| each `senior_citizen` (0, 1): auc_roc | ≥ 0.65 |" in page
    assert "| another customer id changes nothing | unchanged, tolerance 0 |" in page
    assert "| gain in auc_roc over production | > 0, 95% confidence |" in page


def test_a_margin_is_shown_as_such(churn: Pipeline) -> None:
    rule = churn.gates.against_production.model_copy(update={"rule": "not_worse", "margin": 0.005})
    gates = churn.gates.model_copy(update={"against_production": rule})
    page = dag_docs(churn.model_copy(update={"gates": gates}))
    assert "| loss in auc_roc to production, and to the anchor | shown to be < 0.005 |" in page


def test_a_gate_that_is_better_lower_has_an_upper_limit(churn: Pipeline) -> None:
    gates = churn.gates.model_copy(update={"log_loss": 0.5})
    assert "| log_loss | ≤ 0.5 |" in dag_docs(churn.model_copy(update={"gates": gates}))
