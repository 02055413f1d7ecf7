"""Colour at a terminal only."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from io import StringIO

import pytest

from trainer.process.colour import GREEN, RED, RESET, YELLOW, painted

SUMMARY = "Pipeline churn\nREFUSED: the new model\n  auc  0.5  FAIL\n  gain  0  no gain"
PROGRAM = (
    "import sys; from trainer.process.colour import painted; sys.stdout.write(painted('KEPT: it stays', sys.stdout))"
)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _a_terminal_with_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_outcomes_verdicts_and_levels_are_painted() -> None:
    assert painted(SUMMARY, Terminal()) == (
        f"Pipeline churn\n{RED}REFUSED: the new model{RESET}\n"
        f"  auc  0.5  {RED}FAIL{RESET}\n  gain  0  {YELLOW}no gain{RESET}"
    )
    assert painted("PROMOTED: it is better.", Terminal()) == f"{GREEN}PROMOTED: it is better.{RESET}"
    assert painted("WARNING a.b: old", Terminal()) == f"{YELLOW}WARNING{RESET} a.b: old"
    assert painted("INFO a.b: ERROR is a word", Terminal()) == "INFO a.b: ERROR is a word"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colour_gets_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert painted(SUMMARY, Terminal()) == SUMMARY


def test_a_file_gets_none() -> None:
    assert painted(SUMMARY, StringIO()) == SUMMARY


@pytest.mark.parametrize("terminal", [True, False], ids=["a terminal", "a pipe"])
def test_a_process_looks_at_what_it_writes_to(terminal: bool) -> None:
    reader, writer = pty.openpty() if terminal else os.pipe()
    subprocess.run([sys.executable, "-c", PROGRAM], stdout=writer, check=True)
    shown = os.read(reader, 1000).decode()
    os.close(writer)
    os.close(reader)
    assert shown == (f"{YELLOW}KEPT: it stays{RESET}" if terminal else "KEPT: it stays")
