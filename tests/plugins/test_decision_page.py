"""What the page of a decision says, and of which try."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.decision_page import HEADLINES, decision_page, is_current, no_decision_page

GATE = {
    "name": "auc_roc", "value": 0.81234, "limit": 0.75, "production": None, "interval": None, "verdict": "passed",
    "reason": "0.81234 is at least 0.75",
}  # fmt: skip
DECISION = {"outcome": "promote", "reason": "there is no production", "gates": [GATE], "compared_with": ""}


def summary(**fields: Any) -> dict[str, Any]:
    model = {"name": "churn-predictor", "version": "3", "aliases": {"production": "3"}}
    return {"outcome": "promoted", "reason": "why", "gates": [GATE], "failures": [], "model": model, **fields}


def test_while_the_run_goes_on_the_decision_alone_is_told() -> None:
    page = decision_page(None, DECISION, [])
    assert '<h1 class="good">To be promoted</h1>' in page
    assert "there is no production" in page
    assert '<td>auc_roc</td><td class="good"><b>passed</b></td><td class="number">0.8123</td>' in page


def test_afterwards_what_became_of_it() -> None:
    page = decision_page(summary(), DECISION, ["report.html"])
    assert '<h1 class="good">Promoted</h1>' in page
    assert "churn-predictor, version 3 (production → 3)" in page
    assert '<a href="report.html">report.html</a>' in page


def test_a_step_that_failed_after_the_decision_is_told() -> None:
    failure = {"step": "accept", "algorithm": "", "error": "ModelRefusedError", "message": "too <slow>", "exit_code": 4}
    page = decision_page(summary(outcome="refused", failures=[failure]), DECISION, [])
    assert '<h1 class="bad">Refused</h1>' in page
    assert "<b>accept</b>: ModelRefusedError: too &lt;slow&gt;" in page


def test_a_summary_of_an_earlier_try_is_left_aside() -> None:
    other = {**GATE, "value": 0.7, "verdict": "failed"}
    refused = {**DECISION, "outcome": "refuse", "gates": [other]}
    assert not is_current(summary(), refused)
    assert '<h1 class="bad">Refused</h1>' in decision_page(summary(), refused, [])
    assert "decided anew" in decision_page(summary(), None, [])


def test_a_run_that_failed_before_a_decision_says_why() -> None:
    page = decision_page(summary(outcome="failed", reason="ingest: no such file", gates=[]), None, [])
    assert '<h1 class="bad">Failed</h1>' in page
    assert "ingest: no such file" in page


@pytest.mark.parametrize(
    "page", [no_decision_page("<a>", "<b>", None), decision_page(summary(reason="<c>"), DECISION, [])]
)
def test_nothing_is_markup_but_our_own(page: str) -> None:
    assert not any(f"<{letter}>" in page.replace("<b>passed</b>", "").replace("<b>Why:", "") for letter in "abc")
    assert "<script" not in page


def test_text_from_data_is_escaped_everywhere() -> None:
    text = "contract=<script>"
    gate = {**GATE, "name": text, "reason": text}
    failure = {"step": text, "algorithm": text, "error": text, "message": text, "exit_code": 1}
    model = {"name": text, "version": text, "aliases": {text: text}}
    record = summary(reason=text, gates=[gate], failures=[failure], model=model)
    page = decision_page(record, {**DECISION, "gates": [gate]}, [text])
    assert "<script" not in page
    shown = 1 + 2 + 4 + 4 + 2  # the reason, the gate's fields, the failure's, the model's, and the link's
    assert page.count("contract=&lt;script&gt;") == shown


def test_every_outcome_has_its_words() -> None:
    from typing import get_args

    from trainer.decision import Decision
    from trainer.summary.summary import Outcome

    decided = get_args(Decision.model_fields["outcome"].annotation)
    assert set(HEADLINES) == {*decided, *get_args(Outcome)}
