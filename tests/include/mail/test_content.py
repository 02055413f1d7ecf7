"""What a mail says, and how it looks as text and as HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from include.mail.content import DATA_ISSUE, mail_of, subject_of
from include.mail.html_body import as_html
from include.mail.text_body import WIDTH, as_text
from trainer.decision import GateResult
from trainer.reports.run_report import render_run_report
from trainer.run import RunFolder
from trainer.run.memory import note_out_of_memory
from trainer.run.records import Failure
from trainer.summary.summary import Summary, build_summary

LONG = "the column monthly_charges has 12 values out of range, such as -1, -2 and 9000; look at the export " * 3


@pytest.fixture
def summary(kept_run: RunFolder) -> Summary:
    return build_summary(kept_run)


def failed(summary: Summary, exit_code: int, message: str = "why", step: str = "ingest") -> Summary:
    failure = Failure(step=step, error="SomeError", message=message, exit_code=exit_code)
    return summary.model_copy(update={"outcome": "failed", "reason": message, "failures": [failure]})


@pytest.mark.parametrize(
    ("exit_code", "headline"),
    [(1, "The run failed in ingest"), (2, "The configuration is wrong"), (3, DATA_ISSUE)],
)
def test_the_headline_says_what_kind_of_failure_it_is(
    exit_code: int, headline: str, summary: Summary, kept_run: RunFolder
) -> None:
    assert mail_of(failed(summary, exit_code), kept_run).headline == headline


def test_only_gates_that_were_not_passed_are_shown(summary: Summary, kept_run: RunFolder) -> None:
    gates = [
        GateResult(name=name, value=0.5, limit=0.7, verdict=verdict, reason="")
        for name, verdict in (
            ("accuracy", "passed"), ("auc_roc", "failed"), ("against_production", "not_better"),
            ("against_anchor", "may_be_worse"),
        )
    ]  # fmt: skip
    mail = mail_of(summary.model_copy(update={"gates": gates}), kept_run)
    assert [(gate["gate"], gate["verdict"]) for gate in mail.gates] == [
        ("auc_roc", "FAIL"), ("against_production", "no gain"), ("against_anchor", "may be worse"),
    ]  # fmt: skip
    assert ">accuracy<" not in as_html(mail)


def test_the_rule_not_worse_is_a_fact(summary: Summary, kept_run: RunFolder) -> None:
    assert not [name for name, _ in mail_of(summary, kept_run).facts if name == "Rule"]
    ruled = summary.model_copy(update={"rule": "not_worse, margin 0.01"})
    assert ("Rule", "not_worse, margin 0.01") in mail_of(ruled, kept_run).facts


def test_text_says_the_reason_first_and_keeps_its_width(summary: Summary, kept_run: RunFolder) -> None:
    text = as_text(mail_of(failed(summary, 3, LONG), kept_run))
    lines = text.splitlines()
    assert lines[:2] == [f"churn: {DATA_ISSUE}", ""]
    assert lines[2].startswith("ingest: SomeError: the column monthly_charges")
    assert max(len(line) for line in lines if "://" not in line) <= WIDTH
    assert lines[-1] == f"Run folder: {kept_run.uri}"


def test_html_is_well_formed(summary: Summary, kept_run: RunFolder) -> None:
    opened: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            opened.extend([tag] if tag not in {"meta", "br"} else [])

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Checker().feed(as_html(mail_of(failed(summary, 2, "a < b\nand more"), kept_run)))
    assert opened == []


def test_servers_with_pages_are_linked_and_files_are_not(summary: Summary, kept_run: RunFolder) -> None:
    html = as_html(mail_of(summary, kept_run, "http://mlflow:5000", "https://airflow/dags/churn_training/runs/x"))
    assert 'href="http://mlflow:5000/#/experiments/1/runs/mlflow-run"' in html
    assert 'href="https://airflow/dags/churn_training/runs/x"' in html
    assert 'href="file:' not in html
    assert "MLflow run" not in as_html(mail_of(summary, kept_run))


def test_the_subject_names_refused_data(summary: Summary) -> None:
    assert subject_of(summary, "P") == "P: churn kept"
    assert subject_of(failed(summary, 3), "P") == f"P: churn failed: {DATA_ISSUE}"
    assert subject_of(failed(summary, 1), "P") == "P: churn failed"


def test_memory_that_ran_out_is_told_after_a_good_end_too(kept_run: RunFolder) -> None:
    note_out_of_memory(kept_run.at("train", "logistic"), "2Gi", 2.0, "16Gi")
    summary = build_summary(kept_run)
    assert "train logistic ran out of 2Gi and got 4096Mi" in " ".join(as_text(mail_of(summary, kept_run)).split())
    assert "train logistic ran out of 2Gi and got 4096Mi" in as_html(mail_of(summary, kept_run))
    assert "train logistic ran out of 2Gi and got 4096Mi" in render_run_report(kept_run)
