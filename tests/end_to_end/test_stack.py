"""The servers of docker-compose.yaml as plain processes: a run by REST, restarts in its middle, the schedule, the panels."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
import redis

from tests.mailbox import text_of
from tests.stack.compose import LOOPBACK
from tests.stack.grafana import Asked, queries
from tests.stack.pipelines import ROWS, churn_of_table
from tests.stack.servers import Stack, run_stack
from trainer.sources.samples.telco import generate_telco

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(1500),
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no Redis: `redis-server` is not on PATH"),
    pytest.mark.skipif(shutil.which("psql") is None, reason="there is no psql"),
]

DAG = "churn_training"
MODEL = "churn-predictor"
SCHEDULED_STEPS = {"start", "ingest", "validate", "detect_drift"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The running servers, with a churn pipeline that nothing has started."""
    with run_stack([churn_of_table(schedule=None)]) as servers:
        servers.wait_until(
            lambda: servers.airflow.ask("GET", "/dags")["total_entries"], "the DAG", "airflow-dag-processor"
        )
        yield servers


@pytest.fixture(scope="module")
def promoted(stack: Stack) -> str:
    """A run that was started by REST, while MLflow and the scheduler were restarted; its id."""
    stack.seed(generate_telco(rows=ROWS).frame)
    stack.airflow.unpause(DAG)
    run = stack.airflow.trigger(DAG, note="by REST")
    stack.wait_until(lambda: state(stack, run, "logistic.tune") == "running", "tuning to begin")
    stack.kill("airflow-scheduler")
    stack.start("airflow-scheduler")
    stack.wait_until(lambda: state(stack, run, "logistic.train") == "running", "training to begin")
    stack.stop("mlflow")
    time.sleep(3)
    stack.start("mlflow")
    stack.wait_for_run(DAG, run)
    return run


def state(stack: Stack, run: str, task: str) -> str | None:
    return stack.airflow.tasks(DAG, run).get(task, {}).get("state")


def test_a_run_by_rest_is_promoted_although_mlflow_and_the_scheduler_were_restarted(
    stack: Stack, promoted: str
) -> None:
    [run] = stack.airflow.runs(DAG)
    tasks = stack.airflow.tasks(DAG, promoted)
    assert (run["state"], run["run_type"]) == ("success", "manual"), {
        name: task["state"] for name, task in tasks.items()
    }
    assert tasks["logistic.tune"]["try_number"] == 2  # it was killed with the scheduler
    assert {name for name, task in tasks.items() if task["state"] != "success"} == set()
    version = stack.mlflow.get_model_version_by_alias(MODEL, "production")
    assert version.version == "1"


def test_its_artifacts_are_in_s3_and_its_study_in_postgresql(stack: Stack, promoted: str) -> None:
    names = {name for name, _ in stack.objects("training")}
    assert any(name.startswith("runs/churn/") and name.endswith("/summary.json") for name in names)
    assert any(name.startswith("mlflow/") and name.endswith("/MLmodel") for name in names)
    [(study, complete)] = stack.query(
        "studies", "SELECT study, count(*) FROM trials WHERE state = 'complete' GROUP BY study"
    )
    assert study.startswith(promoted.partition("T")[0])
    assert complete == 2


def test_its_features_are_in_redis(stack: Stack, promoted: str) -> None:
    password = stack.compose.secrets["REDIS_PASSWORD"]
    with redis.Redis(host=LOOPBACK, port=stack.port("redis"), password=password) as client:
        assert client.dbsize() >= ROWS


def test_its_mail_arrived(stack: Stack, promoted: str) -> None:
    [mail] = stack.mail.messages
    assert mail["Subject"] == "Training Pipeline - Success: churn promoted"


def test_no_password_is_in_a_log_a_run_folder_or_a_mail(stack: Stack, promoted: str) -> None:
    """AIRFLOW_ADMIN_PASSWORD and others reach servers by their environment."""
    texts = [file.read_bytes() for file in stack.home.rglob("*.log")]
    texts += [content for name, content in stack.objects("training") if name.startswith("runs/")]
    texts += [mail.as_bytes() for mail in stack.mail.messages]
    for name, secret in stack.compose.secrets.items():
        if not name.endswith("_PORT"):
            assert not any(secret.encode() in text for text in texts), name


@pytest.fixture(scope="module")
def scheduled(stack: Stack, promoted: str) -> dict[str, dict[str, Any]]:
    """The runs of a weekly schedule whose next instant was near, by that instant; their data has drifted."""
    stack.seed(generate_telco(rows=ROWS, seed=1, drift=2.0).frame)
    soon = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
    cron = f"{soon.minute} {soon.hour} * * {soon.isoweekday() % 7}"
    stack.add_pipeline(churn_of_table(schedule=cron, drift={"when_drifted": "fail"}))
    before = f"{soon - timedelta(weeks=1):%Y-%m-%dT%H:%M:%SZ}"
    due = f"{soon:%Y-%m-%dT%H:%M:%SZ}"
    found: dict[str, dict[str, Any]] = {}

    def both_have_ended() -> bool:
        found.update({run["run_after"]: run for run in stack.airflow.runs(DAG) if run["run_type"] == "scheduled"})
        assert due not in found or datetime.now(UTC) >= soon, "it began too early"
        return {*found} == {before, due} and all(run["end_date"] for run in found.values())

    stack.wait_until(both_have_ended, f"the runs of {before} and {due}")
    return {"missed": found[before], "due": found[due]}


def test_the_weekly_schedule_creates_the_right_runs_at_the_right_instants(scheduled: dict[str, dict[str, Any]]) -> None:
    """When it is switched on the last date that was missed, and then each at its time; never two at once."""
    missed, due = scheduled["missed"], scheduled["due"]
    instant = datetime.fromisoformat(due["run_after"])
    assert due["logical_date"] == due["run_after"]
    assert datetime.fromisoformat(missed["run_after"]) == instant - timedelta(weeks=1)
    assert datetime.fromisoformat(due["queued_at"]) >= instant
    free = max(instant, datetime.fromisoformat(missed["end_date"]))
    assert datetime.fromisoformat(due["queued_at"]) - free < timedelta(seconds=60)
    assert datetime.fromisoformat(due["start_date"]) >= datetime.fromisoformat(missed["end_date"])


def test_a_scheduled_run_of_drifted_data_fails_and_says_so(stack: Stack, scheduled: dict[str, dict[str, Any]]) -> None:
    assert [run["state"] for run in scheduled.values()] == ["failed", "failed"]
    tasks = stack.airflow.tasks(DAG, scheduled["due"]["dag_run_id"])
    assert [name for name, task in tasks.items() if task["state"] == "failed"] == ["detect_drift"]
    assert tasks["detect_drift"]["try_number"] == 1  # final: no retry can change it
    mail = stack.mail.messages[-1]
    assert mail["Subject"] == "Training Pipeline - Failure: churn failed: Data quality issue detected"
    assert "monthly_charges" in text_of(mail)
    assert stack.mlflow.get_model_version_by_alias(MODEL, "production").version == "1"


@pytest.mark.parametrize(
    "asked", [*queries("pipelines"), *queries("pipeline")], ids=lambda asked: f"{asked.dashboard}: {asked.title}"
)
def test_a_panel_shows_rows(stack: Stack, scheduled: dict[str, dict[str, Any]], asked: Asked) -> None:
    values = {"pipeline": "churn", "gate": "auc_roc"}
    assert stack.query(asked.database, asked.statement(values))


def test_training_history_of_one_experiment(stack: Stack, promoted: str) -> None:
    """The documented view, as the documentation asks it."""
    history = stack.query(
        "mlflow",
        "SELECT run_id, metric_name, metric_value, timestamp FROM mlflow_metrics "
        "WHERE experiment_name = 'customer-churn-prediction' ORDER BY timestamp DESC",
    )
    times = [row[3] for row in history]
    assert times == sorted(times, reverse=True)
    known = {
        (run.info.run_id, name): value
        for run in stack.runs("customer-churn-prediction")
        for name, value in run.data.metrics.items()
    }
    assert known == pytest.approx({(run_id, name): value for run_id, name, value, _ in reversed(history)})


def test_a_failed_run_is_known_with_its_reason_and_its_drift(
    stack: Stack, scheduled: dict[str, dict[str, Any]]
) -> None:
    rows = stack.query("mlflow", "SELECT outcome, reason FROM pipeline_runs ORDER BY started")
    assert [outcome for outcome, _ in rows] == ["promoted", "failed", "failed"]
    assert "monthly_charges" in rows[-1][1]
    [(ratio,)] = stack.query("mlflow", "SELECT DISTINCT max(ratio) FROM drift WHERE \"column\" = 'monthly_charges'")
    assert ratio > 1


def test_dashboards_may_read_the_views_only(stack: Stack) -> None:
    refused = psycopg2.errors.InsufficientPrivilege
    for database, table in (("airflow", "connection"), ("mlflow", "metrics"), ("studies", "trials")):
        with pytest.raises(refused):
            stack.query(database, f"TABLE public.{table}")
    for statement in ("DROP VIEW drift", "CREATE VIEW reporting.own AS SELECT 1"):
        with pytest.raises(refused):
            stack.query("mlflow", f"SET default_transaction_read_only = off; {statement}")
