"""`make run`: what is started, how it is ended, and what is said afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from include.laptop import run_once
from trainer.environment import python_environment
from trainer.process.forked import ForkServer
from trainer.run import RunFolder
from trainer.run.latest import mark_latest
from trainer.run.records import Failure

READY = "import pathlib, signal, sys, time; {handler}pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
DEAF = "signal.signal(signal.SIGINT, signal.SIG_IGN); "


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """`make run` takes over two signals; a test gives them back."""
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)}
    yield
    for sign, handler in before.items():
        signal.signal(sign, handler)


def test_the_command_is_airflows_own_from_this_environment() -> None:
    command = run_once._command("churn", "")
    assert command == [sys.executable, "-m", "include.laptop.airflow_command", "dags", "test", "churn_training"]
    done = subprocess.run([*command[:3], "version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version("apache-airflow")


def test_parameters_become_the_runs_configuration() -> None:
    assert run_once._command("bikes", '{"trials": 5}')[4:] == ["test", "bikes_training", "--conf", '{"trials": 5}']


def started(program: str, folder: Path) -> run_once._Run:
    return run_once._Run([sys.executable, "-c", program, str(folder / "ready")], folder / "announced")


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_commands_exit_code_is_given_back(code: int, tmp_path: Path) -> None:
    run = started(f"raise SystemExit({code})", tmp_path)
    assert run.wait() == code
    assert not run.interrupted


def when_ready(file: Path, action: Callable[[], None]) -> threading.Thread:
    """Does something once a file is there."""

    def wait() -> None:
        until = time.monotonic() + 60
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.02)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.timeout(60)
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interruption_is_passed_on_as_ctrl_c(sign: signal.Signals, tmp_path: Path) -> None:
    run = started(READY.format(handler=""), tmp_path)
    thread = when_ready(tmp_path / "ready", lambda: os.kill(os.getpid(), sign))
    assert run.wait() == -signal.SIGINT
    assert run.interrupted
    thread.join()


@pytest.mark.timeout(60)
def test_a_run_below_a_shell_that_ignores_ctrl_c_still_ends_by_it(tmp_path: Path) -> None:
    """Such as `make run &` in a script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run = started(READY.format(handler=""), tmp_path)
    thread = when_ready(tmp_path / "ready", lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert run.wait() == -signal.SIGINT
    thread.join()


@pytest.mark.timeout(60)
def test_a_second_interruption_makes_an_end_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = started(READY.format(handler=DEAF), tmp_path)

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        until = time.monotonic() + 60
        while not run.interrupted and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = when_ready(tmp_path / "ready", twice)
    assert run.wait() == -signal.SIGKILL
    assert run.cut_off
    thread.join()
    assert capsys.readouterr().out.count("Interrupted") == 1


@pytest.mark.timeout(60)
def test_a_command_that_does_not_end_after_an_interruption_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_once, "SECONDS_TO_END", 0.5)
    run = started(READY.format(handler=DEAF), tmp_path)
    thread = when_ready(tmp_path / "ready", lambda: os.kill(os.getpid(), signal.SIGINT))
    assert run.wait() == -signal.SIGKILL
    assert run.cut_off
    thread.join()


@pytest.fixture
def airflow_does(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets `make run churn` start a short program in Airflow's place."""

    def does(program: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["run_once", "churn", "--parameters", "{}"])
        monkeypatch.setattr(run_once, "_command", lambda *_: [sys.executable, "-c", program, *arguments])
        monkeypatch.setattr(run_once, "launch_step_server", lambda _: ForkServer.launch([], python_environment()))

    return does


@pytest.mark.parametrize(("code", "expected"), [(0, 1), (7, 7)], ids=["said nothing", "failed"])
def test_a_run_without_a_folder_is_no_success(
    code: int, expected: int, airflow_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    airflow_does(f"raise SystemExit({code})")
    assert run_once.main() == expected
    assert f"did not get through its first step (exit code {code})" in capsys.readouterr().out


def test_a_first_step_that_failed_says_why(
    tmp_path: Path, airflow_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    failure = Failure(step="start", error="DataValidationError", message="x.csv: there is no such file", exit_code=3)
    RunFolder.open(str(tmp_path)).at("start").fail(failure)
    airflow_does(ANNOUNCE, f"file://{tmp_path}", "1")
    assert run_once.main() == 1
    assert "(exit code 1): DataValidationError: x.csv: there is no such file.\n" in capsys.readouterr().out


def test_the_summary_of_an_earlier_run_is_not_shown_for_this_one(
    kept_run: RunFolder, airflow_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    mark_latest(kept_run)
    airflow_does(ANNOUNCE, f"file://{kept_run.root}-other", "1")
    assert run_once.main() == 1
    said = capsys.readouterr().out
    assert "did not get through its first step" in said
    assert "KEPT" not in said


def test_the_summary_is_this_runs_while_another_one_starts(
    kept_run: RunFolder, home: Path, airflow_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    other = RunFolder.open(f"file://{home}/.runs/churn/other")
    other.write_text("pipeline.yaml", kept_run.at("").read_text("pipeline.yaml"))
    mark_latest(other)
    airflow_does(ANNOUNCE, kept_run.uri, "0")
    assert run_once.main() == 0
    assert f"Run folder: {kept_run.root}" in capsys.readouterr().out
    assert not other.filesystem.exists(other.path("summary.json"))


RUN_A_STEP = """
from include.environment.settings import given_step_server, inherited_environment
from trainer.process.forked import ForkServer
server = ForkServer.inherited(given_step_server())
with server.start(["-m", "trainer", "--version"], inherited_environment(), ".") as process:
    print(process.stdout.read(), flush=True)
"""


def test_airflow_has_the_fork_server_of_the_run(
    airflow_does: Callable[..., None], capfd: pytest.CaptureFixture[str], home: Path
) -> None:
    airflow_does(RUN_A_STEP)
    assert run_once.main() == 1  # no run folder came of it
    assert "trainer 0.1.0" in capfd.readouterr().out


ANNOUNCE = """
import sys
from include.environment.settings import announce_run_folder
announce_run_folder(sys.argv[1])
sys.exit(int(sys.argv[2]))
"""


@pytest.mark.parametrize("code", [0, 1])
def test_a_run_ends_with_its_summary_and_airflows_exit_code(
    code: int, kept_run: RunFolder, airflow_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    airflow_does(ANNOUNCE, f"file://{kept_run.root}", str(code))
    assert run_once.main() == code
    said = capsys.readouterr().out
    assert "KEPT: production stays" in said
    assert f"Run folder: {kept_run.root}" in said
    assert '"outcome": "kept"' in kept_run.at("").read_text("summary.json")


@pytest.mark.timeout(60)
def test_an_interrupted_run_says_so(
    tmp_path: Path, airflow_does: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    airflow_does(READY.format(handler=""), str(tmp_path / "ready"))
    thread = when_ready(tmp_path / "ready", lambda: os.kill(os.getpid(), signal.SIGINT))
    assert run_once.main() == run_once.INTERRUPTED == 130
    thread.join()
    assert "the run has ended, its records are closed; nothing is left running" in capsys.readouterr().out


def test_a_pipeline_must_be_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["run_once"])
    with pytest.raises(SystemExit, match="2"):
        run_once.main()
    assert "pipeline" in capsys.readouterr().err


def test_an_unknown_environment_is_named_and_nothing_is_started(project: Path) -> None:
    environment = {**os.environ, "PIPELINES_ENVIRONMENT": "prod", "PYTHONPATH": str(project)}
    command = [sys.executable, "-m", "include.laptop.run_once", "churn"]
    done = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout.startswith("PIPELINES_ENVIRONMENT: no environment 'prod'")
    assert done.stderr == ""
