"""Airflow is killed while a pod trains: the scheduler that comes after it finds the pod, and the run ends well."""

from __future__ import annotations

import json
import signal
import subprocess
from urllib.request import ProxyHandler, Request, build_opener

import psutil
import pytest

from tests.end_to_end.deployment import STEPS, Deployment
from tests.end_to_end.test_ui import ask, make_ui
from tests.kubernetes.faults import Fault

pytestmark = pytest.mark.end_to_end

DAG = "churn_training"
SOON = {"AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5"}
"""How often a scheduler looks for the tasks of dead ones, in seconds: 5 in place of 300.

It takes for dead, itself too, who has not said for 30 s that it lives. That stays: on a busy machine, less than that
has tasks started again that run.
"""


def begin_run(airflow: str) -> None:
    content = json.dumps({"logical_date": None}).encode()
    request = Request(f"{airflow}/api/v2/dags/{DAG}/dagRuns", content, {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=60) as response:
        assert response.status == 200


def kill_all(ui: subprocess.Popen[str]) -> None:
    """End Airflow as a machine that is lost does: all of it at once, with nobody asked."""
    lost = [*psutil.Process(ui.pid).children(recursive=True), psutil.Process(ui.pid)]
    assert any("scheduler" in " ".join(process.cmdline()) for process in lost)
    for process in lost:
        process.suspend()  # so that none sees another go
    for process in lost:
        process.kill()
    assert ui.wait(60) == -signal.SIGKILL
    psutil.wait_procs(lost, 60)


def phases(deployment: Deployment, step: str) -> list[str]:
    found = deployment.cluster.store.find("pods")
    return [pod["status"]["phase"] for pod in found if pod["metadata"]["labels"]["step"] == step]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_scheduler_killed_during_training_loses_nothing(deployment: Deployment) -> None:
    checkout = deployment.checkout
    airflow_log = checkout.home / ".airflow" / "ui.log"
    checkout.variables |= SOON
    deployment.cluster.faults.add(Fault(kind="slow_pull", step="train", seconds=5))

    with make_ui(checkout, "churn") as (airflow, _, ui):
        begin_run(airflow)
        checkout.wait_for(lambda: phases(deployment, "train"), 400)
        checkout.wait_for(lambda: phases(deployment, "train") == ["Running"], 60)
        kill_all(ui)

    with make_ui(checkout, "churn") as (airflow, _, ui):
        runs = f"{airflow}/api/v2/dags/{DAG}/dagRuns"
        checkout.wait_for(lambda: ask(runs)["dag_runs"][0]["state"] in ("success", "failed"), 400)
        (run,) = ask(runs)["dag_runs"]
        assert run["state"] == "success"
        ui.send_signal(signal.SIGINT)
        ui.wait(60)

    assert sorted(deployment.steps) == sorted(STEPS), airflow_log.read_text()  # each once, `train` too
    assert deployment.cluster.store.find("pods") == []
    summary = json.loads(deployment.folder.read_text("summary.json"))
    assert (summary["outcome"], summary["failures"]) == ("promoted", [])
    assert deployment.cluster.faults.pending == []
