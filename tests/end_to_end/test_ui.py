"""What `make ui` starts, as a person uses it: a run from the browser's form, its links, and the end of it all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
import yaml

from tests import browser
from tests.server import free_port
from tests.world import LOGISTIC, PROJECT, QUICK, small_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.end_to_end.conftest import Checkout

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.browser,
    pytest.mark.skipif(
        browser.CHROMIUM is None and "CI" not in os.environ, reason="no Chromium here: apt-get install chromium"
    ),
]

DAG = "form_training"
LEFT_OUT = {"unwanted.tune", "unwanted.train", "publish_features"}


@pytest.fixture
def quick(checkout: Checkout) -> Checkout:
    """A checkout with one quick pipeline of two algorithms."""
    sections = {
        **QUICK,
        "source": small_sample(),
        "algorithms": {"logistic": LOGISTIC, "unwanted": LOGISTIC},
        "tuning": {**QUICK["tuning"], "trials": 50},
    }
    checkout.pipeline("form", schedule=None, **sections)
    return checkout


@contextmanager
def make_ui(checkout: Checkout, pipeline: str) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    """What `make ui UNPAUSE=pipeline` starts: the addresses of both, and the process."""
    port, mlflow_port = free_port(), free_port()
    command = [sys.executable, "-m", "include.laptop.ui", "--port", str(port), "--mlflow-port", str(mlflow_port)]
    with checkout.log.open("w") as log:
        process = subprocess.Popen(
            [*command, "--unpause", pipeline], env=checkout.environment, stdout=log, stderr=log, text=True,
            cwd=PROJECT, start_new_session=True,
        )  # fmt: skip
    checkout.wait_for(
        lambda: f"Unpaused: {pipeline}_training" in checkout.log.read_text() or process.poll() is not None, 300
    )
    assert process.poll() is None, checkout.log.read_text()
    yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{mlflow_port}", process


def ask(address: str) -> Any:
    with build_opener(ProxyHandler({})).open(address, timeout=60) as response:
        return json.loads(response.read())


def answers_as(address: str, host: str) -> int:
    """Return the status of an answer to a request by another name of the host."""
    try:
        with build_opener(ProxyHandler({})).open(Request(address, headers={"Host": host}), timeout=60) as response:
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


def trigger(page: Page, airflow: str) -> None:
    """Fill in the form and start a run."""
    form = browser.open_form(page, f"{airflow}/dags/{DAG}")
    browser.open_section(form, "What is trained")
    browser.leave_out(form, "unwanted")
    browser.fill(form, "trials", "2")
    browser.open_section(form, "What happens to the model")
    browser.fill(form, "note", "from the browser")
    form.get_by_role("button", name="Trigger").click()
    form.wait_for(state="hidden")


def listening(processes: list[int]) -> set[str]:
    """Addresses on which these processes listen, as the kernel tells them: hexadecimal, loopback is 0100007F."""
    sockets = {str(link.readlink()) for process in processes for link in Path(f"/proc/{process}/fd").iterdir()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].partition(":")[0])
    return found


@pytest.mark.timeout(900)
def test_a_run_from_the_form_goes_through_and_ctrl_c_leaves_nothing(quick: Checkout) -> None:
    with make_ui(quick, DAG.removesuffix("_training")) as (airflow, mlflow, ui), browser.open_page() as page:
        assert listening(quick.processes()) == {"0100007F"}, "something listens beyond loopback"
        for address in (
            f"{airflow}/api/v2/version",
            f"{airflow}/auth/token",
            f"{mlflow}/api/2.0/mlflow/experiments/get",
        ):
            assert answers_as(address, "evil.example") in (400, 403), address

        trigger(page, airflow)
        runs = f"{airflow}/api/v2/dags/{DAG}/dagRuns"
        page.goto("about:blank")  # or the page draws the run's progress with half a core
        quick.wait_for(lambda: ask(runs)["dag_runs"], 60)
        quick.wait_for(quick.mails, 600)  # the last that a run does, whatever became of it
        quick.wait_for(lambda: ask(runs)["dag_runs"][0]["state"] in ("success", "failed"), 60)
        (run,) = ask(runs)["dag_runs"]
        assert run["state"] == "success", quick.summary()["reason"]
        states = {task["task_id"]: task["state"] for task in ask(f"{runs}/~/taskInstances")["task_instances"]}
        assert {task for task, state in states.items() if state != "success"} == LEFT_OUT

        frozen = yaml.safe_load((quick.latest / "pipeline.yaml").read_text())
        assert frozen["run"]["algorithms"] == ["logistic"]
        assert frozen["run"]["note"] == "from the browser"
        assert frozen["run"]["promote_to"] == "production"
        assert frozen["tuning"]["trials"] == 2 or frozen["run"]["trials"] == 2

        shown = f"{airflow}/dags/{DAG}/runs/{run['dag_run_id']}"
        page.goto(f"{shown}/tasks/validate/details")
        page.get_by_role("link", name="Report", exact=True).click()
        page.get_by_role("heading", name="Data validation of form").wait_for()

        page.goto(f"{shown}/tasks/logistic.train/details")
        link = page.get_by_role("link", name="MLflow run", exact=True)
        trained = json.loads((quick.latest / "train" / "logistic" / "result.json").read_text())["run_id"]
        address = link.get_attribute("href") or ""
        assert address.startswith(f"{mlflow}/#/experiments/")
        assert address.endswith(f"/runs/{trained}")
        page.goto(address)
        page.get_by_text(trained).first.wait_for()

        page.goto(shown)
        page.get_by_role("link", name="Decision", exact=True).click()
        page.frame_locator("iframe").get_by_role("heading", name="Promoted").wait_for()

        ui.send_signal(signal.SIGINT)
        assert ui.wait(timeout=60) == 130
        assert quick.log.read_text().splitlines()[-1] == "Ended: nothing is left running."
        quick.wait_for(lambda: not quick.processes(), seconds=5)
