"""Servers and what they leave behind: nothing."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from include.laptop import servers
from include.laptop.servers import ServerDiedError, Servers, last_lines

pytestmark = pytest.mark.timeout(60)

SERVE = "import pathlib, sys, time; {before}pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
ORPHAN = """
import os, pathlib, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
    time.sleep(600)
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Path]:
    """Starts a short program as a server and waits until it has made its file."""

    def start(running: Servers, program: str) -> Path:
        ready = tmp_path / "ready"
        running.start("the server", [sys.executable, "-c", program, str(ready)], os.environ, tmp_path / "server.log")
        running.wait_until(ready.exists, 30, "the file")
        return ready

    return start


@pytest.fixture
def left() -> Callable[[], list[int]]:
    """The processes below this one that were not there before the test."""
    others = set(servers._below(os.getpid()))
    return lambda: [process for process in servers._below(os.getpid()) if process not in others]


@pytest.mark.parametrize("sign", servers.SIGNALS, ids=lambda sign: sign.name)
def test_a_signal_ends_the_block_and_the_servers(
    sign: signal.Signals, start: Callable[..., Path], left: Callable[[], list[int]]
) -> None:
    before = signal.getsignal(sign)
    with pytest.raises(KeyboardInterrupt), Servers() as running:  # noqa: PT012  (the block is what is looked at)
        start(running, SERVE.format(before=""))
        os.kill(os.getpid(), sign)
        running.wait_for_an_end()
    assert left() == []
    assert signal.getsignal(sign) is before


def test_an_orphan_in_a_session_of_its_own_is_ended_too(
    start: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "SECONDS_TO_END", 0.2)
    with Servers() as running:
        file = start(running, ORPHAN)
        running.wait_until(file.read_text, 30, "the orphan")
        orphan = int(file.read_text())
        assert orphan in servers._below(os.getpid())
    assert orphan not in servers._below(os.getpid())


def test_a_second_signal_does_not_wait_for_a_server_that_takes_its_time(
    start: Callable[..., Path], left: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "SECONDS_TO_END", 600)
    asked: list[int] = []
    look = servers._below

    def looked(parent: int) -> list[int]:
        if not asked:
            os.kill(os.getpid(), signal.SIGINT)
        asked.append(parent)
        return look(parent)

    with Servers() as running:
        start(running, SERVE.format(before=DEAF))
        monkeypatch.setattr(servers, "_below", looked)
    assert len(asked) > 1
    monkeypatch.undo()
    assert left() == []


def test_a_server_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "server.log"
    program = "for number in range(50): print('line', number)\nraise SystemExit(3)"
    with pytest.raises(ServerDiedError) as caught, Servers() as running:  # noqa: PT012
        running.start("the server", [sys.executable, "-c", program], os.environ, log)
        running.wait_for_an_end()
    said = str(caught.value).splitlines()
    assert said[0] == f"the server has ended (exit code 3). {log} ends:"
    assert said[1:] == [f"line {number}" for number in range(30, 50)]


def test_what_does_not_come_true_in_time_is_named(start: Callable[..., Path]) -> None:
    with pytest.raises(TimeoutError, match="a miracle was not there after 0 s"), Servers() as running:  # noqa: PT012
        start(running, SERVE.format(before=""))
        running.wait_until(lambda: False, 0.2, "a miracle")


def test_the_end_of_a_short_log_is_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\ntw\xff\n")
    assert last_lines(tmp_path / "log") == "one\ntw\ufffd"
