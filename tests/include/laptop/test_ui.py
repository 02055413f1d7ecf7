"""`make ui`: what is started and where, and what is refused before anything starts."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.environment.settings import load_settings, ui_environment
from include.laptop import ui
from include.laptop.servers import Servers
from include.laptop.ui_lock import only_one_here
from tests.server import free_port
from trainer.errors import ConfigurationError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on loopback that somebody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What a person typed."""
    return lambda *arguments: monkeypatch.setattr(sys, "argv", ["ui", *map(str, arguments)])


@pytest.mark.parametrize(("flag", "variable"), [("--port", "UI_PORT"), ("--mlflow-port", "MLFLOW_PORT")])
def test_a_port_that_is_taken_is_named_with_what_to_do(
    flag: str, variable: str, taken: int, typed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    typed("--port", free_port(), "--mlflow-port", free_port(), flag, taken)
    assert ui.main() == 2
    said = capsys.readouterr().out
    assert said == f"{variable}: port {taken}: Address already in use; name another: make ui {variable}={taken + 1}\n"


def test_a_second_one_on_the_same_database_is_refused(
    home: Path, typed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    typed("--port", free_port(), "--mlflow-port", free_port())
    with only_one_here("http://127.0.0.1:8080"):
        assert ui.main() == 2
    assert "`make ui` runs already on this checkout's database" in capsys.readouterr().out


def alone(name: str) -> list[str]:
    """The DAGs of a pipeline with nothing after a promotion."""
    return [f"{name}_training", f"{name}_requests"]


OF_CHURN = ["churn_training", "churn_deployment", "churn_requests"]


@pytest.mark.parametrize(
    ("unpause", "expected"),
    [
        ("", []),
        ("churn", OF_CHURN),
        (" churn,", OF_CHURN),
        ("bikes", ["bikes_training", "bikes_requests"]),
        ("churn_scoring,bikes", ["churn_scoring", "bikes_training", "bikes_requests"]),
        ("all", [*alone("bikes"), *alone("california_housing"), *OF_CHURN, *alone("mnist"), *alone("wikitext")]),
    ],
)
def test_pipelines_are_named_as_in_their_files(unpause: str, expected: list[str]) -> None:
    assert ui._dag_ids(unpause) == expected


def test_a_pipeline_that_there_is_not_starts_nothing(
    typed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    typed("--unpause", "chrun")
    assert ui.main() == 2
    assert capsys.readouterr().out.startswith("UNPAUSE: no pipeline 'chrun'; did you mean 'churn'?")


def test_the_login_is_left_out_on_loopback_alone() -> None:
    environment = ui_environment(8123, "http://127.0.0.1:5123")
    assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "True"
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__API__PORT"] == "8123"
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8123/execution/"


def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "example.com")
    monkeypatch.delenv("NO_PROXY", raising=False)
    environment = ui_environment(8123, "")
    assert (environment["no_proxy"], environment["NO_PROXY"]) == ("example.com,127.0.0.1", "127.0.0.1")


def test_mlflow_serves_the_local_store_on_loopback(home: Path) -> None:
    command = " ".join(ui._Ui(load_settings(), 8080, 5123)._mlflow_command())
    assert "--host 127.0.0.1 --port 5123" in command
    assert f"--backend-store-uri sqlite:///{home}/.mlflow/mlflow.db --no-serve-artifacts" in command


def test_a_tracking_server_is_named_and_none_is_started(enter: Callable[[str], None]) -> None:
    enter("staging")
    made = ui._Ui(load_settings(), 8080, 5123)
    assert made.mlflow == "http://mlflow.mlflow-staging.svc.cluster.local:5000"
    assert f"MLflow   {made.mlflow}" in made.greeting()


@pytest.mark.timeout(60)
def test_a_server_that_dies_ends_all_with_exit_code_1(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = ui._Ui(load_settings(), free_port(), free_port())
    monkeypatch.setattr(
        made, "_mlflow_command", lambda: [sys.executable, "-c", "print('no store'); raise SystemExit(5)"]
    )
    monkeypatch.setattr(made, "_start_airflow", lambda *_: None)
    assert ui._serve(made, []) == 1
    said = capsys.readouterr().out
    assert f"mlflow has ended (exit code 5). {home}/.mlflow/ui.log ends:\nno store" in said
    assert said.endswith("The others are ended too.\n")


def test_what_does_not_answer_is_no_answer(taken: int) -> None:
    assert ui._answer(f"http://127.0.0.1:{free_port()}/health") is None


def test_a_port_is_free_again_after_the_check() -> None:
    port = free_port()
    ui._refuse_taken(port, "UI_PORT")
    ui._refuse_taken(port, "UI_PORT")
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        with pytest.raises(ConfigurationError, match=f"make ui UI_PORT={port + 1}"):
            ui._refuse_taken(port, "UI_PORT")


def test_ctrl_c_while_starting_ends_what_was_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = ui._Ui(load_settings(), free_port(), free_port())

    def interrupted(_: Servers) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(made, "start", interrupted)
    assert ui._serve(made, []) == 130
    assert capsys.readouterr().out == "Ended: nothing is left running.\n"
