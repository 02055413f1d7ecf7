"""The servers of docker-compose.yaml as plain processes: a run by REST, restarts in its middle, the schedule, the panels."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import psycopg2
import pytest
import redis

from include.agents.cost import calculate_training_cost
from include.agents.decision import get_decision
from include.agents.errors import ToolError
from include.agents.experiments import get_experiment_metrics, list_mlflow_experiments
from include.agents.pipelines import list_pipelines
from include.agents.promotion_requests import request_promotion
from include.agents.status import get_training_status
from include.agents.trigger import trigger_training_job
from include.agents.versions import list_versions
from tests.end_to_end.whole_life import TRAINING_ROWS, WEEK_ROWS, Life, life_document, world
from tests.mailbox import text_of
from tests.stack.compose import LOOPBACK
from tests.stack.grafana import Asked, queries
from tests.stack.pipelines import ROWS, churn_of_table
from tests.stack.servers import Stack, run_stack
from tests.warm import WarmServers
from trainer.run import monitoring_key, run_key
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
HASTY = "hasty_training"
LIFE, LOOKS, DAGS = "life_training", "life_monitoring", 8
WAITS, ENDED = "awaiting_input", {"success", "failed", "skipped"}
SHORTLY = 0.002
"""Hours; Airflow 3.3.2 fails a question that ends before its scheduler knows that the asking process has ended."""
ASKS = {"when": "always", "start": True, "assignees": ["1"], "timeout_hours": None, "queued_minutes": 0.05}
"""User 1 is the stack's first."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The running servers, with a churn pipeline that a person has to approve and one that nobody approves in time."""
    hurried = {"start": True, "timeout_hours": SHORTLY}
    hasty = churn_of_table(name="hasty", schedule=None, approval=hurried)
    with run_stack([churn_of_table(schedule=None, approval=ASKS), hasty, life_document()]) as servers:
        known = partial(servers.airflow.ask, "GET", "/dags")
        servers.wait_until(lambda: known()["total_entries"] == DAGS, "the DAGs", "airflow-dag-processor")
        servers.seed(generate_telco(rows=ROWS).frame)
        for name in (DAG, HASTY, LIFE, LOOKS):
            servers.airflow.unpause(name)
        yield servers


@pytest.fixture(scope="module")
def asked(stack: Stack) -> str:
    """A run that was started by REST and waits for approval; MLflow and the scheduler were restarted before; its id."""
    run = stack.airflow.trigger(DAG, note="by REST")
    stack.wait_for_question(DAG, run, "approve_start")
    stack.airflow.answer(DAG, run, "approve_start", "Start", "for the new season")
    stack.wait_until(lambda: state(stack, run, "logistic.tune") == "running", "tuning to begin")
    stack.kill("airflow-scheduler")
    stack.start("airflow-scheduler")
    stack.wait_until(lambda: state(stack, run, "logistic.train") == "running", "training to begin")
    stack.stop("mlflow")
    time.sleep(3)
    stack.start("mlflow")
    stack.wait_for_question(DAG, run, "approve")
    return run


@pytest.fixture(scope="module")
def approved(stack: Stack, asked: str) -> str:
    """The same run, approved while MLflow was away, after somebody has moved the alias `production`."""
    ask_again(stack, asked)
    # Before MLflow goes away: once it is back, the next try to register must not come in between.
    stack.mlflow.create_registered_model(MODEL)
    rival = stack.mlflow.create_model_version(MODEL, "s3://training/elsewhere")
    stack.mlflow.set_registered_model_alias(MODEL, "production", rival.version)
    stack.stop("mlflow")
    stack.airflow.answer(DAG, asked, "approve", "Promote", "better for the north")
    stack.wait_until(lambda: state(stack, asked, "register") == "up_for_retry", "the version not to be registered")
    stack.start("mlflow")
    stack.wait_for_mlflow()
    stack.wait_for_run(DAG, asked)
    return asked


@pytest.fixture(scope="module")
def promoted(stack: Stack, approved: str) -> str:
    """The same run, after the alias was taken away again and the promotion cleared."""
    stack.mlflow.delete_registered_model_alias(MODEL, "production")
    stack.airflow.clear(DAG, approved, "promote")
    stack.wait_until(lambda: state(stack, approved, "promote") in ENDED, "the promotion")
    stack.wait_for_run(DAG, approved)
    return approved


@pytest.fixture
def agent(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables by which the agent tools reach the servers, as the first user."""
    for name, value in {
        "AGENTS_AIRFLOW_URL": stack.airflow.address,
        "AGENTS_AIRFLOW_USERNAME": stack.airflow.user,
        "AGENTS_AIRFLOW_PASSWORD": stack.airflow.password,
        "AGENTS_MLFLOW_URL": f"http://{LOOPBACK}:{stack.port('mlflow')}",
    }.items():
        monkeypatch.setenv(name, value)


def ask_again(stack: Stack, run: str) -> None:
    """Let the run ask for approval, again if that was answered; the earlier answer does not count any more."""
    if state(stack, run, "approve") != WAITS:
        stack.wait_for_run(DAG, run)
        before = stack.processes_ended(run, "approve")
        stack.airflow.clear(DAG, run, "approve")
        stack.wait_for_question(DAG, run, "approve", before)
        assert not [name for name in stack.names("runs/churn/") if name.endswith("/approve/result.json")]


def state(stack: Stack, run: str, task: str) -> str | None:
    return stack.airflow.tasks(DAG, run).get(task, {}).get("state")


def outcome_of(stack: Stack, run: str) -> tuple[str, str]:
    """Return the outcome of a run that has ended, and why."""
    stack.wait_for_run(DAG, run)
    summary = json.loads(stack.read(f"runs/churn/{run_key(run)}/summary.json"))
    return summary["outcome"], summary["reason"]


def test_a_run_that_an_agent_starts_and_a_person_declines_does_nothing_and_says_so(stack: Stack, agent: None) -> None:
    started = trigger_training_job("churn", "3", batch_size="64")
    run = started.job_name.removeprefix(f"{DAG}/")
    stack.wait_for_question(DAG, run, "approve_start")
    assert started.waits_for_approval
    assert started.address.endswith(f"/runs/{quote(run, safe='')}/tasks/approve_start/required_actions?map_index=-1")
    assert started.dropped == ["epochs", "lr", "batch_size", "gpu_enabled"]
    assert get_training_status(started.job_name).question == started.address
    with pytest.raises(ToolError, match="has not come to a decision"):
        get_decision(started.job_name)
    [question] = stack.airflow.questions(DAG)
    assert question["subject"] == "churn: start this run?"
    assert "asked for by an agent tool" in question["body"]
    stack.airflow.answer(DAG, run, "approve_start", "Decline", "not this week")
    stack.wait_for_run(DAG, run)
    tasks = stack.airflow.tasks(DAG, run)
    assert tasks["approve_start"]["state"] == "failed"
    assert tasks["start"]["state"] == "upstream_failed"
    asking = text_of(stack.mail("Approval: churn: start this run?"))
    assert "/tasks/approve_start/required_actions" in asking
    failed = text_of(stack.mail("Failure: churn failed"))
    assert "RunDeclined: admin declined this run: not this week" in failed


def test_a_run_that_nobody_starts_in_time_fails(stack: Stack) -> None:
    run = stack.airflow.trigger(HASTY)
    stack.wait_for_run(HASTY, run)
    assert stack.airflow.tasks(HASTY, run)["approve_start"]["state"] == "failed"
    failed = text_of(stack.mail("Failure: hasty failed"))
    assert "nobody has answered in time, so the run does not begin" in failed


def test_the_question_says_what_was_decided_and_where_to_look(stack: Stack, asked: str) -> None:
    ask_again(stack, asked)
    [question] = stack.airflow.questions(DAG)
    assert question["subject"] == "churn: promote the new churn-predictor?"
    assert question["options"] == ["Promote", "Keep production"]
    for text in ("the pipeline says `approval: always`", "there is no production model yet", "| auc\\_roc | 0.8"):
        assert text.replace("`", "\\`") in question["body"]
    assert f"/training-runs/{DAG}/" in question["body"]
    asking = text_of(stack.mail("Approval: churn: promote the new churn-predictor?"))
    assert "/tasks/approve/required_actions" in asking
    assert "until then no other run of this pipeline starts" in asking


def test_only_assignees_answer_and_only_what_was_asked(stack: Stack, asked: str) -> None:
    ask_again(stack, asked)
    others = [
        stack.airflow.create_user(name, role, "pw-of-others")
        for name, role in (("eve", "Viewer"), ("mallory", "Admin"))
    ]
    for other in others:
        with pytest.raises(HTTPError, match="403"):
            other.answer(DAG, asked, "approve", "Promote")
    with pytest.raises(HTTPError, match="400"):
        stack.airflow.answer(DAG, asked, "approve", "Promote it")
    assert state(stack, asked, "approve") == WAITS


def test_a_queued_run_names_the_run_that_waits(stack: Stack, asked: str) -> None:
    ask_again(stack, asked)
    queued = stack.airflow.trigger(DAG)
    text = text_of(stack.mail("Queued: churn: a run waits for the answer to an earlier one"))
    stack.airflow.ask("DELETE", f"/dags/{DAG}/dagRuns/{quote(queued)}")
    assert f"Run that waits: {asked}" in text
    assert f"Queued run: {queued}" in text
    assert "/tasks/approve/required_actions" in text


def test_a_question_outlives_the_scheduler_and_keep_keeps(stack: Stack, asked: str) -> None:
    ask_again(stack, asked)
    stack.kill("airflow-scheduler")
    stack.airflow.answer(DAG, asked, "approve", "Keep production", "the north is not ready")
    stack.start("airflow-scheduler")
    assert outcome_of(stack, asked) == ("kept", "admin kept production: the north is not ready")
    with pytest.raises(HTTPError, match="409"):
        stack.airflow.answer(DAG, asked, "approve", "Promote")
    assert stack.mlflow.search_registered_models() == []


@pytest.mark.parametrize(
    ("on_timeout", "outcome"),
    [
        pytest.param(
            "keep", ("kept", f"nobody has answered within {SHORTLY:g} h, so production stays"), marks=pytest.mark.slow
        ),
        ("refuse", ("refused", "approve: ModelRefusedError: churn-predictor: nobody has approved the challenger (logistic)")),
    ],
)  # fmt: skip
def test_silence_keeps_or_refuses(stack: Stack, asked: str, on_timeout: str, outcome: tuple[str, str]) -> None:
    ask_again(stack, asked)
    stack.airflow.answer(DAG, asked, "approve", "Keep production")
    stack.wait_for_run(DAG, asked)
    hurried = {**ASKS, "timeout_hours": SHORTLY, "on_timeout": on_timeout}
    with stack.changed_pipeline(churn_of_table(schedule=None, approval=hurried)):
        stack.airflow.clear(DAG, asked, "approve")
        stack.wait_until(lambda: state(stack, asked, "approve") in ENDED, "the time to be over")
        found, reason = outcome_of(stack, asked)
    assert found == outcome[0]
    assert reason.startswith(outcome[1])


def test_an_alias_that_moved_while_a_person_thought_is_left_alone(stack: Stack, approved: str) -> None:
    found, reason = outcome_of(stack, approved)
    assert found == "refused"
    assert "the decision compared with no version, and now production is version 1; somebody moved it" in reason
    assert stack.mlflow.get_model_version_by_alias(MODEL, "production").version == "1"


def test_a_run_by_rest_is_promoted_although_mlflow_and_the_scheduler_were_restarted(
    stack: Stack, promoted: str
) -> None:
    [run] = [run for run in stack.airflow.runs(DAG) if run["dag_run_id"] == promoted]
    tasks = stack.airflow.tasks(DAG, promoted)
    states = {name: task["state"] for name, task in tasks.items()}
    assert (run["state"], run["run_type"]) == ("success", "manual"), states
    assert tasks["logistic.tune"]["try_number"] == 2  # it was killed with the scheduler
    assert {name for name, task in tasks.items() if task["state"] != "success"} == set()
    version = stack.mlflow.get_model_version_by_alias(MODEL, "production")
    assert version.version == "2"
    assert version.tags["trainer.approval"] == "admin approved the promotion: better for the north"
    assert version.tags["trainer.approval.by"] == "admin"
    assert version.tags["trainer.approval.at"].startswith(f"{datetime.now(UTC):%Y-%m-}")


def test_agent_tools_report_the_run(stack: Stack, promoted: str, agent: None) -> None:
    job = f"{DAG}/{promoted}"
    assert [one.name for one in list_pipelines().pipelines] == ["churn", "hasty", "life"]
    status = get_training_status(job)
    assert status.state == "success"
    assert status.log_lines
    assert {"promote", "logistic.tune"} < {task.task_id for task in status.tasks}
    cost = calculate_training_cost(job)
    assert cost.is_final
    assert cost.total_usd == pytest.approx(sum(step.seconds * step.cores * 0.05 / 3600 for step in cost.steps))
    assert {"ingest", "logistic.train", "promote"} < {step.step for step in cost.steps}
    decision = get_decision(job)
    assert (decision.outcome, decision.model, decision.version) == ("promoted", MODEL, "2")
    assert any("better for the north" in answer for answer in decision.approvals)
    [found] = list_mlflow_experiments("customer-churn-prediction").experiments
    assert get_experiment_metrics(found.recent_runs[0].run_id).metrics["test_auc_roc"] > 0.7
    versions = list_versions(MODEL)
    assert versions.aliases["production"] == "2"
    assert versions.versions[0].approval == "admin approved the promotion: better for the north"


def test_an_agents_request_moves_nothing_until_a_person_approves(stack: Stack, promoted: str, agent: None) -> None:
    client = stack.mlflow
    client.delete_registered_model_alias(MODEL, "production")  # as if the run had stopped before its promotion
    asked = request_promotion(MODEL, "v2", "the shop waits for it")
    dag, run = asked.job_name.split("/")
    stack.wait_for_question(dag, run, "approve_request")
    [question] = stack.airflow.questions(dag)
    assert question["subject"] == f"churn: make version 2 of {MODEL} production?"
    assert "admin asked for this promotion through an agent tool: the shop waits for it" in question["body"]
    assert "production" not in client.get_registered_model(MODEL).aliases
    stack.airflow.answer(dag, run, "approve_request", "Approve", "go on")
    stack.wait_for_run(dag, run)
    assert get_training_status(asked.job_name).state == "success"
    assert client.get_model_version_by_alias(MODEL, "production").version == "2"
    moves = [text for name, text in client.get_registered_model(MODEL).tags.items() if name.startswith("trainer.move.")]
    assert any("through an agent tool: the shop waits for it; admin approved it: go on" in text for text in moves)


def test_its_artifacts_are_in_s3_and_its_study_in_postgresql(stack: Stack, promoted: str) -> None:
    names = stack.names()
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
    text = text_of(stack.mail("Training Pipeline - Success: churn promoted"))
    assert "admin approved the promotion: better for the north" in text
    assert "admin approved the start: for the new season" in text


def test_no_password_is_in_a_log_a_run_folder_or_a_mail(stack: Stack, promoted: str) -> None:
    """AIRFLOW_ADMIN_PASSWORD and others reach servers by their environment."""
    texts = [file.read_bytes() for file in stack.home.rglob("*.log")]
    texts += [stack.read(name) for name in stack.names("runs/")]
    texts += [mail.as_bytes() for mail in stack.mailbox.messages]
    for name, secret in stack.compose.secrets.items():
        if not name.endswith("_PORT"):
            assert not any(secret.encode() in text for text in texts), name


@pytest.mark.slow  # a whole life: each of its parts has tests of its own
def test_a_model_that_has_become_worse_is_retrained_once_and_replaced(stack: Stack, warm: WarmServers) -> None:
    """A whole life: by hand what a schedule would start, but for the look that asks for the training run, and that."""
    life = Life(stack, warm)
    weeks = [world(WEEK_ROWS, week, turned=week > 1) for week in (1, 2, 3)]
    life.write("train", world(TRAINING_ROWS, 0, turned=False))
    life.trainer("train", "first", "--promote-to-production")
    assert life.production == "1"
    for number, week in enumerate(weeks, 1):
        life.write("new", week.drop("label"))
        life.trainer("score", f"scoring-{number}")
    life.write("labels", *weeks[:2])  # that of the third week come late
    said = life.trainer("monitor", "monitoring-1")
    assert "Retraining: not started: 1 of 1 looks count for performance_drop >= 0.05 (+" in said
    life.write("labels", *weeks)
    life.write("train", *weeks[1:], world(TRAINING_ROWS, 4, turned=True))
    look = stack.airflow.trigger(LOOKS)
    stack.wait_for_run(LOOKS, look)
    run = stack.wait_until(lambda: next(iter(stack.airflow.runs(LIFE)), None), "the training run")
    stack.wait_for_run(LIFE, run["dag_run_id"])
    assert life.production == "2"
    life.write("new", world(WEEK_ROWS, 5, turned=True).drop("label"))
    life.trainer("score", "scoring-4")
    assert life.record("scoring-4", "start_scoring")["version"] == "2"

    stack.airflow.clear(LOOKS, look, "retrain")
    stack.wait_until(lambda: stack.airflow.tasks(LOOKS, look)["retrain"]["state"] == "skipped", "the task again")
    [run] = stack.airflow.runs(LIFE)
    assert (run["run_type"], run["state"]) == ("asset_triggered", "success")
    reason = "2 of 2 looks count for performance_drop >= 0.05"
    summary = json.loads(stack.read(f"runs/life/{run_key(run['dag_run_id'])}/summary.json"))
    assert summary["outcome"] == "promoted"
    assert summary["triggered_by"].startswith(f"triggered by monitoring: {reason} (+")
    again = life.record(monitoring_key(look), "retrain")
    assert (again["outcome"], again["sends_event"]) == ("started", False)
    assert reason in text_of(stack.mail("Retraining: life"))


@pytest.fixture(scope="module")
def scheduled(stack: Stack, promoted: str) -> dict[str, dict[str, Any]]:
    """The runs of a weekly schedule whose next instant was near, by that instant; their data has drifted."""
    stack.seed(generate_telco(rows=ROWS, seed=1, drift=2.0).frame)
    soon = (datetime.now(UTC) + timedelta(seconds=80)).replace(second=0, microsecond=0)
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
    mail = stack.mail("Training Pipeline - Failure: churn failed: Data quality issue detected")
    assert "monthly_charges" in text_of(mail)
    assert stack.mlflow.get_model_version_by_alias(MODEL, "production").version == "2"


@pytest.fixture(scope="module")
def look(stack: Stack, promoted: str) -> str:
    """A run of MLflow with the tags and metrics of a look at scored rows; its id."""
    tags = {"trainer.task": "monitoring", "trainer.pipeline": "churn", "monitored_version": "1"}
    run = stack.mlflow.create_run(stack.mlflow.create_experiment("looks"), tags=tags)
    for name, value in {"labelled_auc_roc": 0.8, "drift/tenure": 0.5}.items():
        stack.mlflow.log_metric(run.info.run_id, name, value)
    stack.mlflow.set_terminated(run.info.run_id)
    return str(run.info.run_id)


@pytest.mark.parametrize(
    "query", [*queries("pipelines"), *queries("pipeline")], ids=lambda query: f"{query.dashboard}: {query.title}"
)
@pytest.mark.usefixtures("scheduled", "look")
def test_a_panel_shows_rows(stack: Stack, query: Asked) -> None:
    values = {"pipeline": "churn", "gate": "auc_roc"}
    assert stack.query(query.database, query.statement(values))


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
    rows = stack.query("mlflow", "SELECT outcome, reason FROM pipeline_runs WHERE pipeline = 'churn' ORDER BY started")
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
            stack.query("mlflow", f"SET TRANSACTION READ WRITE; {statement}")
