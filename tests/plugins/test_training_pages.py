"""The pages of a run: who gets which, and that nothing else is served."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from include.environment.settings import load_settings
from plugins.training_pages import DECISION, FILES, PREFIX, page_address, run_has
from tests.plugins.conftest import DAG, RUN
from trainer.run import RunFolder, run_key
from trainer.run.waiting import WAITING_FILE, begin_waiting, pipeline_folder

HOME = f"{PREFIX}/{DAG}/{quote(RUN, safe='')}"
VIEWER = "viewer"

Login = Callable[[str | None], dict[str, str]]


def put(run: RunFolder, name: str, text: str) -> None:
    """Write a file where the step that owns it does."""
    step, _, file = FILES[name].rpartition("/")
    run.at(step).write_text(file, text)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".html")])
def test_a_page_is_served_to_who_may_read_the_dag(name: str, server: Any, login: Login, run: RunFolder) -> None:
    put(run, name, "<h1>größer</h1>")
    answer = server.get(f"{HOME}/{name}", headers=login(VIEWER))
    assert (answer.status_code, answer.text) == (200, "<h1>größer</h1>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts allow-popups; default-src 'none'")
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize("name", [*FILES, DECISION, "openapi.json", "docs", "pipeline.yaml"])
def test_nobody_gets_anything_without_a_login(name: str, server: Any, run: RunFolder) -> None:
    for file in FILES:
        put(run, file, "{}")
    assert server.get(f"{HOME}/{name}").status_code == 401


@pytest.mark.parametrize("name", ["report.html", DECISION])
@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Authorization": "Bearer made.up.token"}, 403), (None, 403)],
    ids=["false token", "no role"],
)
def test_a_false_token_and_a_person_without_a_role_are_refused(
    name: str, headers: dict[str, str] | None, status: int, server: Any, login: Login, run: RunFolder
) -> None:
    put(run, "report.html", "secret")
    answer = server.get(f"{HOME}/{name}", headers=headers or login(None))
    assert answer.status_code == status
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_the_application_does_not_describe_itself(path: str, server: Any, login: Login) -> None:
    answer = server.get(f"{PREFIX}{path}", headers=login("admin"))
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        f"{HOME}/pipeline.yaml",
        f"{HOME}/start/result.json",
        f"{HOME}/..%2Freport.html",
        f"{HOME}/%2e%2e/secret.html",
        f"{PREFIX}/{DAG}/..%2F..%2F..%2Fetc/report.html",
        f"{PREFIX}/{DAG}/%2e%2e/report.html",
        f"{PREFIX}/%2e%2e/{quote(RUN)}/report.html",
        f"{PREFIX}/..%2Fchurn_training/{quote(RUN)}/report.html",
        f"{PREFIX}/churn%00_training/{quote(RUN)}/report.html",
        f"{PREFIX}/{DAG}/another/report.html",
        f"{PREFIX}/other_training/{quote(RUN)}/report.html",
        f"{PREFIX}/churn/{quote(RUN)}/report.html",
    ],
)
def test_nothing_else_is_there(path: str, server: Any, login: Login, run: RunFolder) -> None:
    put(run, "report.html", "secret")
    run.write_text("pipeline.yaml", "secret")
    run.at("start").write_text("result.json", "secret")
    (Path(run.root).parent / "report.html").write_text("secret")
    (Path(run.root).parent.parent / "report.html").write_text("secret")
    answer = server.get(path, headers=login("admin"))
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_page_that_was_not_written_is_named(server: Any, login: Login, run: RunFolder) -> None:
    answer = server.get(f"{HOME}/drift.html", headers=login(VIEWER))
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"{DAG}, run {RUN}: there is no drift.html"}


def test_before_the_decision_the_tab_says_so(server: Any, login: Login) -> None:
    answer = server.get(f"{HOME}/{DECISION}", headers=login(VIEWER))
    assert answer.status_code == 404
    assert "No decision yet" in answer.text


def test_the_tab_of_a_queued_run_names_the_run_that_waits_for_an_answer(
    server: Any, login: Login, run: RunFolder
) -> None:
    asks = RunFolder.open(f"{run.uri.rpartition('/')[0]}/{run_key('scheduled__1')}").at("approve")
    link = "https://airflow.example.com/required_actions?a=1&b=2"
    begin_waiting(asks, "scheduled__1", "churn: promote <it>?", link)
    page = server.get(f"{HOME}/{DECISION}", headers=login(VIEWER)).text
    assert "an earlier run waits for an answer" in page
    assert f'Run scheduled__1 asks: <a href="{link.replace("&", "&amp;")}"' in page
    assert "churn: promote &lt;it&gt;?" in page
    own = server.get(f"{PREFIX}/{DAG}/scheduled__1/{DECISION}", headers=login(VIEWER)).text
    assert "It waits for an answer: <a href=" in own
    run.write_text("pipeline.yaml", "")  # this run has begun, so the earlier one was marked failed or deleted
    assert "waits" not in server.get(f"{HOME}/{DECISION}", headers=login(VIEWER)).text
    (Path(run.root) / "pipeline.yaml").unlink()
    assert "waits" in server.get(f"{HOME}/{DECISION}", headers=login(VIEWER)).text
    asks.write_text("result.json", "{}")
    assert "waits" not in server.get(f"{HOME}/{DECISION}", headers=login(VIEWER)).text


@pytest.mark.parametrize("content", ["{bad", "[1]", "{}", '{"run_id": "a", "step": "../.."}'])
def test_a_broken_record_of_a_waiting_run_breaks_no_page(
    content: str, server: Any, login: Login, run: RunFolder
) -> None:
    pipeline_folder(run).write_text(WAITING_FILE, content)
    answer = server.get(f"{HOME}/{DECISION}", headers=login(VIEWER))
    assert answer.status_code == 404
    assert "No decision yet" in answer.text
    assert "waits" not in answer.text


def test_the_decision_is_shown_with_what_else_there_is(server: Any, login: Login, run: RunFolder) -> None:
    decision = {"outcome": "keep", "reason": "no gain <shown>", "gates": [], "compared_with": "3"}
    put(run, "decision.json", json.dumps(decision))
    put(run, "validation.html", "")
    answer = server.get(f"{HOME}/{DECISION}", headers=login(VIEWER))
    assert answer.status_code == 200
    assert "no gain &lt;shown&gt;" in answer.text
    assert '<a href="validation.html">' in answer.text
    assert '<a href="report.html">' not in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_run_in_an_object_store_is_read_with_airflows_connection(
    server: Any, login: Login, s3_bucket: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings().model_copy(
        update={"artifact_store": f"s3://{s3_bucket}/runs", "aws_connection": "aws_pages"}
    )
    monkeypatch.setattr("include.environment.settings.load_settings", lambda: settings)
    monkeypatch.setattr("plugins.training_pages.load_settings", lambda: settings)
    extra = {"endpoint_url": s3_endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "test-key", "password": "test-secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_PAGES", json.dumps(connection))
    put(_run_in_store(), "report.html", "from afar")
    assert run_has(DAG, RUN, "report.html")
    assert not run_has(DAG, RUN, "drift.html")


def _run_in_store() -> RunFolder:
    from include.environment.settings import run_address

    return RunFolder.open(run_address(DAG, RUN) or "")


def test_an_address_holds_what_a_run_id_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    assert page_address(DAG, RUN, "report.html") == f"{HOME}/report.html"
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/airflow/")
    assert page_address(DAG, "a+b", DECISION) == f"/airflow{PREFIX}/{DAG}/a%2Bb/{DECISION}"
