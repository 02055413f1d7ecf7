"""`make ui`: Airflow and MLflow's UI on loopback, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from include.environment.settings import LOOPBACK, home, load_settings, pipelines_folder, ui_environment
from include.laptop.servers import ServerDiedError, Servers
from include.laptop.ui_lock import only_one_here
from trainer.errors import ConfigurationError
from trainer.pipeline import did_you_mean, load_pipeline

if TYPE_CHECKING:
    from include.environment.settings import Settings
    from trainer.pipeline import Pipeline

ALL = "all"
SECONDS_TO_START = 300
SECONDS_TO_ANSWER = 10
INTERRUPTED = 130
"""The exit code by which shells name an interruption from the keyboard."""
FIRST = ("api-server", "dag-processor")
THEN = ("scheduler --skip-serve-logs", "triggerer --skip-serve-logs")
"""A task that begins before the API server answers fails. Logs are read as files: serving them opens a port to all."""


def main() -> int:
    """Start the servers, say where they are, and wait; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="Airflow's")
    parser.add_argument("--mlflow-port", type=int, default=5000)
    parser.add_argument("--unpause", default="", metavar="PIPELINE", help=f"one, several with commas between, or {ALL}")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        dag_ids = _dag_ids(arguments.unpause)
        with only_one_here(_address(arguments.port)):
            _refuse_taken(arguments.port, "UI_PORT")
            if not settings.mlflow.is_server:
                _refuse_taken(arguments.mlflow_port, "MLFLOW_PORT")
            return _serve(_Ui(settings, arguments.port, arguments.mlflow_port), dag_ids)
    except ConfigurationError as error:
        _say(str(error))
        return error.exit_code


def _serve(ui: _Ui, dag_ids: list[str]) -> int:
    try:
        with Servers() as servers:
            ui.start(servers)
            _say(ui.greeting())
            ui.unpause(servers, dag_ids)
            servers.wait_for_an_end()
    except KeyboardInterrupt:
        _say("Ended: nothing is left running.")
        return INTERRUPTED
    except (ServerDiedError, TimeoutError) as error:
        _say(f"{error}\nThe others are ended too.")
        return 1


class _Ui:
    """Both user interfaces: how they are started, and where they are."""

    def __init__(self, settings: Settings, port: int, mlflow_port: int) -> None:
        self.settings = settings
        self.airflow = _address(port)
        self.mlflow = settings.mlflow.address or f"http://{LOOPBACK}:{mlflow_port}"
        self.logs = {"airflow": home() / ".airflow" / "ui.log", "mlflow": home() / ".mlflow" / "ui.log"}
        self._environment = ui_environment(port, self.mlflow)
        self._mlflow_port = mlflow_port

    def start(self, servers: Servers) -> None:
        """Start the servers; returns when both user interfaces answer and the scheduler is at work."""
        for log in self.logs.values():
            log.parent.mkdir(parents=True, exist_ok=True)
            log.unlink(missing_ok=True)
        _say(f"Starting Airflow and MLflow; their logs: {', '.join(map(str, self.logs.values()))}")
        if not self.settings.mlflow.is_server:
            environment = {
                **self._environment,
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            }  # nothing here needs jobs
            servers.start("mlflow", self._mlflow_command(), environment, self.logs["mlflow"])
        self._start_airflow(servers, FIRST)
        servers.wait_until(lambda: _answer(f"{self.airflow}/api/v2/version"), SECONDS_TO_START, "Airflow's API")
        if not self.settings.mlflow.is_server:
            servers.wait_until(lambda: _answer(f"{self.mlflow}/health"), SECONDS_TO_START, "MLflow")
        self._start_airflow(servers, THEN)
        servers.wait_until(self._is_at_work, SECONDS_TO_START, "the scheduler")

    def greeting(self) -> str:
        """Where they are."""
        return (
            f"Airflow  {self.airflow}  (no login: it is on loopback alone, and who can open it is an admin)\n"
            f"MLflow   {self.mlflow}\n"
            "Ctrl-C ends them; a run that is going on then goes on at the next start."
        )

    def unpause(self, servers: Servers, dag_ids: list[str]) -> None:
        """Unpause DAGs, each as soon as Airflow knows it."""
        for dag_id in dag_ids:
            address = f"{self.airflow}/api/v2/dags/{dag_id}"
            servers.wait_until(partial(_answer, address), SECONDS_TO_START, f"the DAG {dag_id}")
            _answer(address, "PATCH", {"is_paused": False})
            _say(f"Unpaused: {dag_id}. With a schedule, its last date that was missed begins now.")

    def _start_airflow(self, servers: Servers, commands: tuple[str, ...]) -> None:
        for command in commands:
            arguments = [sys.executable, "-m", "airflow", *command.split()]
            servers.start(f"airflow {command.split()[0]}", arguments, self._environment, self.logs["airflow"])

    def _mlflow_command(self) -> list[str]:
        mlflow = self.settings.mlflow
        return [
            sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(self._mlflow_port),
            "--workers", "1", "--backend-store-uri", mlflow.tracking_uri, "--no-serve-artifacts",
            "--default-artifact-root", mlflow.artifact_location,
        ]  # fmt: skip

    def _is_at_work(self) -> bool:
        health = _answer(f"{self.airflow}/api/v2/monitor/health") or {}
        parts = ("scheduler", "dag_processor", "triggerer")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)


def _answer(address: str, method: str = "GET", content: dict[str, Any] | None = None) -> Any:
    """What a server on this machine answers, never asked through a proxy; None while it does not answer."""
    data = json.dumps(content).encode() if content else None
    request = Request(address, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310  (our own address)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=SECONDS_TO_ANSWER) as response:
            body = response.read().decode()
    except HTTPError as error:
        if method != "GET":
            raise
        error.close()
        return None
    except OSError:
        return None
    return json.loads(body) if body.startswith("{") else body


def _dag_ids(unpause: str) -> list[str]:
    """The DAGs to unpause, by pipeline or by name. Raises ConfigurationError for one that there is not."""
    wanted = [name.strip() for name in unpause.split(",") if name.strip()]
    if not wanted:
        return []
    pipelines = [load_pipeline(file) for file in sorted(pipelines_folder().glob("*.yaml"))]
    known = {pipeline.name: _without_production(pipeline) for pipeline in pipelines}
    single = {dag_id: [dag_id] for pipeline in pipelines for dag_id in _of_production(pipeline)}
    for name in wanted:
        if name not in (*known, *single, ALL):
            raise ConfigurationError(f"UNPAUSE: no pipeline {name!r}{did_you_mean(name, [*known, *single, ALL])}")
    chosen = [name for name in wanted if name != ALL]
    names = [*known, *(name for name in chosen if name in single)] if ALL in wanted else chosen
    return [dag_id for name in names for dag_id in {**known, **single}[name]]


def _without_production(pipeline: Pipeline) -> list[str]:
    """Return the DAGs of a pipeline that can run before a version is promoted."""
    deployed = ["deployment"] if pipeline.deployment and load_settings().serving else []
    return [f"{pipeline.name}_{flow}" for flow in ("training", *deployed, "requests")]


def _of_production(pipeline: Pipeline) -> list[str]:
    """Return the DAGs of a pipeline that fail on schedule until a version is promoted, and are unpaused by name."""
    sections = {"scoring": pipeline.scoring, "monitoring": pipeline.monitoring}
    return [f"{pipeline.name}_{flow}" for flow, found in sections.items() if found]


def _address(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def _refuse_taken(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ConfigurationError(
                f"{variable}: port {port}: {error.strerror}; name another: make ui {variable}={port + 1}"
            ) from error


def _say(text: str) -> None:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError:  # the terminal was closed
        return


if __name__ == "__main__":
    sys.exit(main())
