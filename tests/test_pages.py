"""Every page in a real browser, full of names and values that are markup: no script of theirs runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Dialog, Page

from include.mail.content import mail_of
from include.mail.html_body import as_html
from plugins.decision_page import decision_page, no_decision_page
from tests.browser import CHROMIUM, open_page
from tests.world import quick_churn
from trainer.drift.compare import compare_tables
from trainer.drift.evidently_page import write_drift_report
from trainer.pipeline import Drift
from trainer.reports.monitoring_report import write_monitoring_page
from trainer.reports.run_report import render_run_report
from trainer.reports.validation_report import render_validation_report
from trainer.run import RunFolder
from trainer.run.records import (
    CheckResult,
    ColumnDrift,
    ColumnWatch,
    DriftResult,
    Failure,
    LookEvidence,
    MonitorResult,
    Production,
    ReadLabelsResult,
    ReadScoresResult,
    RetrainingDecision,
    ScoredRun,
    StartMonitoringResult,
    VersionLook,
)
from trainer.summary.summary import build_summary

PAYLOADS = (
    "</script><script>alert('script')</script>",
    "<img src=x onerror=alert('image')>",
    "\"'><svg onload=alert('svg')>",
    "<!--<script>",
    "<body></body><head></head>",
    "${alert('template')}",
    "{{alert('braces')}}",
    "a\u2028b",
)
ALL = " ".join(PAYLOADS)
ROWS = 400
LIMITS = Drift(report_rows=ROWS)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM and not os.environ.get("CI"), reason="there is no Chromium on this machine"),
]


def table(seed: int) -> pl.LazyFrame:
    """Categories that are payloads, in columns that are called like them, and a number."""
    rng = np.random.default_rng(seed)
    categories = {name: rng.choice(PAYLOADS, ROWS) for name in PAYLOADS}
    return pl.LazyFrame({**categories, f"number {PAYLOADS[1]}": rng.normal(seed, 1, ROWS)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the records and the pages of a run whose data are payloads, and pages beside it."""
    home = tmp_path_factory.mktemp("pages")
    run = RunFolder.open(str(home / "churn" / "run-1"))
    reference, current = table(0), table(3)
    columns = reference.collect_schema().names()
    drifts = compare_tables(reference, current, columns, LIMITS)
    write_drift_report(reference, current, columns[1:], LIMITS, drifts, home / "drift.html")
    run.at("detect_drift").finish(DriftResult(status="drifted", reference_version=ALL, columns=drifts))
    run.at("ingest").fail(Failure(step="ingest", algorithm=ALL, error=ALL, message=ALL, exit_code=1))
    summary = build_summary(run)
    check = CheckResult.model_validate({
        "check": ALL, "dimension": "validity", "column": ALL, "severity": "critical", "passed": False, "unexpected": 1,
        "share": 0.5, "examples": [*PAYLOADS], "observed": ALL, "message": ALL,
    })  # fmt: skip
    gate = {"name": ALL, "value": 1.0, "limit": 2.0, "production": None, "verdict": "failed", "reason": ALL}
    decision = {"outcome": "refuse", "reason": ALL, "gates": [gate]}
    pages = {
        "validation.html": render_validation_report(ALL, [check], {ALL: ALL}),
        "report.html": render_run_report(run),
        "mail.html": as_html(mail_of(summary, run)),
        "decision.html": decision_page(summary.model_dump(mode="json"), decision, [*PAYLOADS]),
        "no_decision.html": no_decision_page(ALL, ALL, dict.fromkeys(("run_id", "question", "link", "asked_at"), ALL)),
    }
    pages["monitoring.html"] = monitoring_page(home, drifts)
    for name, page in pages.items():
        (home / name).write_text(page, encoding="utf-8")
    return home


def monitoring_page(home: Path, drifts: list[ColumnDrift]) -> str:
    """Return the page of a look whose records are payloads, but for what a registry numbers."""
    run = RunFolder.open(str(home / "churn" / "monitoring-1"))
    moment = "2026-03-02T07:00:00+00:00"
    start = StartMonitoringResult(
        started_at=moment, airflow_run_id=ALL, image=ALL, output=ALL, labels=ALL, since=moment, earlier=[]
    )
    scored = ScoredRun(key=ALL, model=ALL, version="1", scored_at=moment, rows=1, is_new=True)
    labels = ReadLabelsResult(
        labels_file=ALL, source=ALL, digest=ALL, rows=1, ids=1, missing=0, without_id=0, repeated=0, contradicting=1,
        contradicting_examples=[*PAYLOADS], never_scored=1, never_scored_examples=[*PAYLOADS], type=ALL,
    )  # fmt: skip
    watch = [
        ColumnWatch(column=one.column, missing=0.5, missing_before=0, unseen=1, examples=[*PAYLOADS]) for one in drifts
    ]
    look = VersionLook(
        model=ALL, version="1", runs=[ALL], rows=1, drift_status="drifted", drift_share=0.9, columns=drifts, watch=watch,
        no_answers=ALL, no_estimate=ALL, no_performance=ALL,
    )  # fmt: skip
    other = VersionLook(model=ALL, version="2", runs=[ALL], rows=1, not_looked_at=ALL)
    figures = LookEvidence(look=ALL, started_at=moment, performance_drop=None, drop_bound=None, drift_share=0.9)
    decision = RetrainingDecision(
        retrain=True, condition=ALL, reason=ALL, evidence=[figures], counted=[ALL],
        production=Production(model=ALL, version="1", since=moment),
    )  # fmt: skip
    run.at("start_monitoring").finish(start)
    run.at("read_scores").finish(ReadScoresResult(runs=[scored], too_old=0, set_aside={ALL: ALL}))
    run.at("read_labels").finish(labels)
    result = MonitorResult(
        looks=[other, look], taken=[ALL], judged=ALL, page=ALL, mlflow_run=ALL, retraining=decision
    )  # fmt: skip
    write_monitoring_page(run.at("monitor"), quick_churn(description=ALL), result, [])
    return run.at("").read_text("monitoring.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with open_page() as page:
        yield page


@pytest.mark.parametrize("name", ["validation", "report", "mail", "decision", "no_decision", "monitoring", "drift"])
def test_no_script_from_data_runs(name: str, folder: Path, browser: Page) -> None:
    mistakes: list[str] = []

    def refuse(dialog: Dialog) -> None:
        mistakes.append(dialog.message)
        dialog.dismiss()

    browser.on("dialog", refuse)
    browser.on("pageerror", lambda error: mistakes.append(str(error)))
    browser.goto((folder / f"{name}.html").as_uri())
    if name == "drift":
        details = browser.get_by_label("Detail panel visibility toggle")
        details.first.wait_for()
        for row in details.all():
            row.click()
        browser.locator(".js-plotly-plot").first.wait_for()
    assert "onerror=alert" in browser.inner_text("body")
    assert mistakes == []
