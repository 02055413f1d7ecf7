"""The tools on answers of servers that a test writes; the real servers are in tests/end_to_end/test_stack.py."""

from __future__ import annotations

from typing import Any

import pytest

from include.agents.cost import calculate_training_cost
from include.agents.decision import get_decision
from include.agents.errors import ToolError
from include.agents.experiments import get_experiment_metrics, list_mlflow_experiments
from include.agents.promotion_requests import request_promotion, request_rollback
from include.agents.status import get_training_status
from include.agents.trigger import trigger_training_job
from include.agents.versions import list_versions
from tests.include.agents.conftest import Asked, Server

JOB = "churn_training/manual__1"
RUN = "/api/v2/dags/churn_training/dagRuns/manual__1"


def test_a_training_is_started_with_the_parameters_of_its_form(airflow: Server) -> None:
    started = trigger_training_job(epochs="2", lr="1e-2", batch_size=None, gpu_enabled="no")
    assert started.job_name == "mnist_training/manual__1"
    assert started.parameters == {"epochs": 2, "lr": 0.01, "gpu": 0}
    assert not started.waits_for_approval
    sent = airflow.asked[-1].content
    assert sent["logical_date"] is None
    assert sent["conf"] == {"epochs": 2, "lr": 0.01, "gpu": 0, "note": "asked for by an agent tool"}


def test_defaults_that_a_pipeline_does_not_take_are_dropped(airflow: Server) -> None:
    started = trigger_training_job("churn_training")
    assert (started.parameters, started.dropped) == ({}, ["epochs", "lr", "batch_size", "gpu_enabled"])
    assert trigger_training_job("churn", batch_size="500").parameters == {"batch_size": 500}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model_type": "churn", "epochs": 5}, r"epochs: churn does not take it \(found 5\); it takes batch_size"),
        ({"model_type": "churn", "gpu_enabled": False}, "gpu_enabled: churn does not take it"),
        ({"model_type": "mnits"}, "there is no pipeline 'mnits'; did you mean 'mnist'. Known are: churn, mnist"),
        ({"model_type": "../../auth"}, "model_type: expected a pipeline's name"),
        ({"epochs": "two"}, "epochs: expected a number, found 'two'"),
        ({"epochs": 2.5}, "epochs: expected a whole number, found 2.5"),
        ({"epochs": True}, "epochs: expected a number, found True"),
        ({"epochs": 0}, "epochs: expected a number from 1 to 1000, found 0"),
        ({"lr": "nan"}, "lr: expected a number, found 'nan'"),
        ({"lr": 0}, "lr: expected a number above 0 to 1"),
        ({"gpu_enabled": "perhaps"}, "gpu_enabled: expected true or false, found 'perhaps'"),
    ],
)
def test_a_training_that_cannot_be_is_refused(airflow: Server, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        trigger_training_job(**arguments)
    assert all(asked.method == "GET" for asked in airflow.asked)


def test_a_paused_pipeline_is_not_started(airflow: Server) -> None:
    airflow.routes["/api/v2/dags/mnist_training/details"] = {"is_paused": True, "params": {}}
    with pytest.raises(ToolError, match=f"mnist_training is paused.*{airflow.address}/dags/mnist_training"):
        trigger_training_job()


def test_an_approval_at_the_start_is_announced_with_its_address(airflow: Server) -> None:
    airflow.routes["/api/v2/dags/mnist_training/tasks"] = {"tasks": [{"task_id": "approve_start"}]}
    started = trigger_training_job()
    assert started.waits_for_approval
    page = f"{airflow.address}/dags/mnist_training/runs/manual__1/tasks/approve_start/required_actions?map_index=-1"
    assert started.address == page
    assert page in started.message


@pytest.mark.parametrize(
    "call",
    [
        lambda: get_training_status("churn_training"),
        lambda: get_training_status("churn_training/.."),
        lambda: get_training_status("churn_training/a/../../x"),
        lambda: get_training_status("connections/x"),
        lambda: get_decision("churn_scoring/manual__1"),
        lambda: calculate_training_cost("churn_training/a?b"),
        lambda: list_versions("../churn"),
        lambda: request_rollback("churn", "1 or 2"),
        lambda: request_promotion("churn", 0),
        lambda: get_experiment_metrics("0" * 31 + "/"),
    ],
)
def test_names_that_are_none_reach_no_server(airflow: Server, call: Any) -> None:
    with pytest.raises(ToolError, match="expected"):
        call()
    assert airflow.asked == []


@pytest.fixture
def run(airflow: Server) -> Server:
    """A run that is going on: `ingest` has ended, and `xgboost.tune` is at its second trial."""
    tasks = [
        {"task_id": "ingest", "state": "success", "try_number": 1, "duration": 250.0, "start_date": "1"},
        {"task_id": "xgboost.tune", "state": "running", "try_number": 2, "duration": None, "start_date": "2"},
        {"task_id": "report", "state": None, "try_number": 0, "duration": None},
    ]
    lines = [
        {"event": "::group::Log message source details"},
        {"timestamp": "t", "event": "xgboost: trial 2/30: 0.8, best so far 0.81"},
        {"timestamp": "t", "event": "password=pa55 of kept-secret-token-of-airflow"},
    ]
    record = {"seconds": 245.3, "cores": 4, "cost_usd": 245.3 * 4 * 0.05 / 3600, "cost_gpu_usd": 0.0}
    airflow.routes |= {
        RUN: lambda asked: {"state": "running"} if asked.path == RUN else (404, b"{}"),
        f"{RUN}/taskInstances": lambda asked: (
            {"task_instances": tasks, "total_entries": 3} if asked.path.endswith("taskInstances") else (404, b"{}")
        ),
        f"{RUN}/taskInstances/xgboost.tune/logs/2": {"content": lines},
        f"{RUN}/taskInstances/ingest/xcomEntries/return_value": {"value": record},
    }
    return airflow


def test_a_status_has_progress_and_the_last_lines_without_secrets(run: Server) -> None:
    status = get_training_status(JOB)
    assert [(one.task_id, one.unit, one.done, one.of) for one in status.progress] == [("xgboost.tune", "trial", 2, 30)]
    assert status.log_lines == ["xgboost: trial 2/30: 0.8, best so far 0.81", "password=*** of ***"]
    assert status.message == "running; at work: xgboost.tune"


def test_a_log_that_cannot_be_read_does_not_hide_the_state(run: Server) -> None:
    run.routes[f"{RUN}/taskInstances/xgboost.tune/logs/2"] = (500, b"")
    status = get_training_status(JOB)
    assert status.state == "running"
    assert "the log of xgboost.tune cannot be read: Airflow has failed (500)" in status.message


def test_a_running_job_has_a_cost_so_far(run: Server) -> None:
    cost = calculate_training_cost(JOB)
    assert round(cost.total_usd, 4) == 0.0136
    assert not cost.is_final
    assert cost.still_running == ["xgboost.tune"]
    assert cost.message.startswith(f"{JOB} has cost $0.0136 so far")


def test_a_job_without_rates_has_no_cost(run: Server) -> None:
    record = {"seconds": 1.0, "cores": 4, "cost_usd": None}
    run.routes[f"{RUN}/taskInstances/ingest/xcomEntries/return_value"] = {"value": record}
    with pytest.raises(ToolError, match="has no cost rates"):
        calculate_training_cost(JOB)


def test_an_unknown_run_is_named(airflow: Server) -> None:
    with pytest.raises(ToolError, match="there is no run churn_training/manual__2"):
        get_training_status("churn_training/manual__2")


def test_ten_thousand_experiments_are_counted_and_the_newest_shown(server: Server) -> None:
    def search(asked: Asked) -> Any:
        first = int(asked.content.get("page_token", 0))
        page = [{"experiment_id": str(number), "name": f"e{number}"} for number in range(first, first + 1000)]
        return {"experiments": page} | ({"next_page_token": str(first + 1000)} if first < 9000 else {})

    server.routes["/api/2.0/mlflow/experiments/search"] = search
    server.routes["/api/2.0/mlflow/runs/search"] = {}
    found = list_mlflow_experiments()
    assert (found.total, len(found.experiments)) == (10_000, 20)
    assert found.message == "9980 more experiments are not shown; give experiment_name"


def test_an_experiment_that_is_not_there_is_named(server: Server) -> None:
    server.routes["/api/2.0/mlflow/experiments/search"] = {}
    with pytest.raises(ToolError, match="MLflow has no experiment 'nope'"):
        list_mlflow_experiments("nope")


@pytest.fixture
def registry(airflow: Server) -> Server:
    """A model with versions 1 and 2 of the pipeline `churn`, of which 2 is production."""
    registered = {"name": "churn-model", "aliases": [{"alias": "production", "version": "2"}]}
    tags = [{"key": "trainer.pipeline", "value": "churn"}]
    airflow.routes |= {
        "/api/2.0/mlflow/registered-models/get": lambda asked: (
            {"registered_model": registered} if asked.query["name"] == "churn-model" else (404, b"{}")
        ),
        "/api/2.0/mlflow/registered-models/search": {"registered_models": [registered]},
        "/api/2.0/mlflow/model-versions/get": lambda asked: (
            {"model_version": {"version": asked.query["version"], "tags": tags}}
            if asked.query["version"] in "12"
            else (404, b"{}")
        ),
        "/api/v2/dags/churn_requests/details": {"is_paused": False},
        "/api/v2/dags/churn_requests/dagRuns": lambda _: {"dag_run_id": "manual__7"},
    }
    return airflow


def test_a_request_starts_only_the_dag_that_asks(registry: Server) -> None:
    asked = request_rollback("churn-model", 2, " worse  in the north ")
    assert asked.job_name == "churn_requests/manual__7"
    assert asked.message.startswith("nothing has moved: a person is asked")
    [sent] = [one for one in registry.asked if one.method == "POST"]
    assert sent.path == "/api/v2/dags/churn_requests/dagRuns"
    assert sent.content["conf"] == {
        "move": "rollback", "model": "churn-model", "version": "2", "reason": "worse in the north", "by_agent": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: request_promotion("churn-model", 2), "version 2 is production already"),
        (lambda: request_rollback("churn-model", 1), "production is version 2, not 1; nothing is asked"),
        (lambda: request_promotion("churn-model", 3), "churn-model has no version 3"),
        (lambda: request_promotion("churn-modle", 1), "did you mean 'churn-model'"),
        (lambda: request_promotion("churn-model", 1, "x" * 1001), "reason: at most 1000 characters"),
    ],
)
def test_a_request_that_cannot_be_granted_asks_nobody(registry: Server, call: Any, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        call()
    assert all(asked.method == "GET" for asked in registry.asked)
