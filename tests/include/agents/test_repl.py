"""The prompt in a pseudo-terminal, and with lines from a pipe."""

from __future__ import annotations

import os
import pty
import re
import select
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.agents.errors import ToolError
from include.agents.phrases import parse_phrase
from tests.include.agents.conftest import TOKEN, Server
from tests.world import PROJECT

CODES = re.compile(r"\x1b\[(?!6n)[0-9;?]*[A-Za-z]|\x1b[=>()][0-9A-Z]?")
"""Of the terminal: colours and moves of the cursor."""
COMMAND = [sys.executable, "-m", "include.agents.repl"]


class Terminal:
    """A process in a pseudo-terminal."""

    def __init__(self, history: Path) -> None:
        self.master, inner = pty.openpty()
        termios.tcsetwinsize(inner, (40, 200))
        variables = {**os.environ, "PYTHONPATH": str(PROJECT), "AGENTS_HISTORY": str(history), "TERM": "xterm"}
        self.process = subprocess.Popen(
            COMMAND, env=variables, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
        )
        os.close(inner)
        self.text = ""

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def wait_for(self, pattern: str) -> None:
        """Read until what was shown since the last call matches."""
        end = time.monotonic() + 20
        while not (found := re.search(pattern, CODES.sub("", self.text))):
            assert time.monotonic() < end, self.text
            if select.select([self.master], [], [], 0.5)[0]:
                self.text += os.read(self.master, 4096).decode(errors="replace")
                if "\x1b[6n" in self.text:  # it asks where the cursor is
                    self.text = self.text.replace("\x1b[6n", "")
                    self.send("\x1b[1;1R")
        assert "Traceback" not in self.text
        self.text = CODES.sub("", self.text)[found.end() :]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self.master)


@pytest.fixture
def terminal(airflow: Server, tmp_path: Path) -> Iterator[Terminal]:
    history = tmp_path / "history"
    history.touch(mode=0o644)
    made = Terminal(history)
    yield made
    made.close()


def test_a_person_at_the_prompt(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("agents>")
    terminal.send("trigger training job mnist with 2 epochs\r")
    terminal.wait_for(r"job_name: mnist_training/manual__1")
    terminal.wait_for("agents>")
    terminal.send("list pip\t")  # completed
    terminal.wait_for("elines")
    terminal.send("\r")
    terminal.wait_for(r"churn_training")
    terminal.wait_for("agents>")
    terminal.send("get experiment metr\x03")  # Ctrl-C empties the line
    terminal.wait_for("agents>")
    terminal.send("nonsense\r")
    terminal.wait_for("Error: 'nonsense' is not a phrase")
    terminal.wait_for("agents>")
    terminal.send("\x04")  # Ctrl-D leaves
    assert terminal.process.wait(20) == 0
    history = tmp_path / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+list pipelines" in history.read_text()


def test_lines_of_a_pipe(airflow: Server) -> None:
    lines = "list pipelines\n\nget training status churn_training/\x1b[2Jx\nexit\nlist pipelines\n"
    variables = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(COMMAND, input=lines, env=variables, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1  # one line was refused
    assert done.stdout.count("pipelines:") == 1
    assert "Error: job_name: expected <dag_id>/<run_id>" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    assert TOKEN not in done.stdout


@pytest.mark.parametrize(
    ("line", "name", "arguments"),
    [
        ("list mlflow experiments", "list_mlflow_experiments", {}),
        ("list mlflow experiments my own", "list_mlflow_experiments", {"experiment_name": "my own"}),
        ("get_experiment_metrics abc", "get_experiment_metrics", {"run_id": "abc"}),
        ("Trigger training job mnist with 2 epochs", "trigger_training_job", {"model_type": "mnist", "epochs": "2"}),
        (
            "trigger training job mnist with 1 epoch, lr 0.1 and batch size 32, no gpu", "trigger_training_job",
            {"model_type": "mnist", "epochs": "1", "lr": "0.1", "batch_size": "32", "gpu_enabled": "false"},
        ),
        ("calculate training cost a/b", "calculate_training_cost", {"job_name": "a/b"}),
        (
            "request rollback m version 3 because it is worse", "request_rollback",
            {"model": "m", "version": "3", "reason": "it is worse"},
        ),
    ],
)  # fmt: skip
def test_a_phrase_is_a_call(line: str, name: str, arguments: dict[str, str]) -> None:
    tool, found = parse_phrase(line)
    assert (tool.name, found) == (name, arguments)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("get training status", "expected: get training status <dag_id>/<run_id>"),
        ("list pipelines now", "expected: list pipelines"),
        ("trigger training job mnist with love", "'love' is not understood; allowed are: 2 epochs"),
        ("list pipelinez", "did you mean 'list pipelines'"),
    ],
)
def test_a_phrase_that_is_none_says_what_is_allowed(line: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        parse_phrase(line)
