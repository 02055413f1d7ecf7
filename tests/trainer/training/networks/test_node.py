"""Two nodes train a network as one process does; lost nodes and errors. Both are at this machine's loopback."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")

from tests.server import free_port
from tests.trainer.training.networks.rank_plans import failing, plan, raises
from tests.trainer.training.networks.test_loop import digits
from tests.trainer.training.networks.test_together import Reports, Result, losses, same
from trainer.environment import Nodes
from trainer.errors import ModelTrainingError
from trainer.run import RunFolder
from trainer.training.networks import node
from trainer.training.networks.handover import Failed, Handover
from trainer.training.networks.meeting import Meeting, Situation
from trainer.training.networks.together import train_in_processes

Start = Callable[..., Any]
FORK: Any = multiprocessing.get_context("fork")
JOB = "job-digits"


@pytest.fixture
def meeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Meeting:
    """The first of two nodes, as the step sees it."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    run = RunFolder.open(str(tmp_path / "runs" / "digits" / "run-1"))
    return Meeting(run.at("train", "cnn"), Nodes(2, 0, f"127.0.0.1:{free_port()}", JOB))


def second(meeting: Meeting) -> Meeting:
    """The other node of a meeting."""
    first = meeting.nodes
    return Meeting(meeting.step, Nodes(first.number, 1, first.meeting, first.job))


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a node as a process with a folder of its own for temporary files.

    The folder has a short path, for sockets are created in it, and the path of a socket has at most 107 bytes.
    """
    started: list[Any] = []

    def begin(scratch: str, does: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        does(*arguments)

    def start(does: Callable[..., Any], *arguments: Any) -> Any:
        scratch = folders.enter_context(tempfile.TemporaryDirectory(prefix="node-", ignore_cleanup_errors=True))
        started.append(FORK.Process(target=begin, args=(scratch, does, arguments)))
        started[-1].start()
        return started[-1]

    with contextlib.ExitStack() as folders:
        yield start
        for one in started:
            one.kill()
            one.join()


def kills_node() -> None:
    """Kill the node that this process belongs to: torchrun is its child, which has this one forked."""
    _fork_server, _torchrun, own, *_ = psutil.Process().parents()
    own.kill()
    time.sleep(60)


def soon(true: Callable[[], Any], does: Callable[[], Any]) -> threading.Thread:
    """Do something once a condition holds."""

    def wait() -> None:
        while not true():
            time.sleep(0.05)
        does()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_two_nodes_of_which_one_is_lost_and_replaced_give_the_losses_and_the_network_of_one_process(
    alone: Result, meeting: Meeting, start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start(node.take_part, second(meeting))
    others: list[Any] = []
    thread = soon((tmp_path / "failed").exists, lambda: others.append(start(node.take_part, second(meeting))))
    reports: Reports = []
    found = train_in_processes(failing(tmp_path, kills_node, at=9), digits(seed=1), 1, reports.append, meeting)
    thread.join()
    assert same(found, alone[1])
    for one, expected in zip(losses(reports), losses(alone[0]), strict=True):
        assert one == pytest.approx(expected, rel=1e-5)
    printed = capfd.readouterr().out
    assert "a training process failed or was lost: all 2 go on from the last checkpoint (restart 1 of 3)" in printed
    assert printed.count("training goes on after step 9 of 21, from a checkpoint") == 1, "only rank 0 logs"
    assert others[0].is_alive(), "a node stays until the step is done, which may begin anew"
    meeting.close()
    others[0].join(20)
    assert others[0].exitcode == 0
    assert [file.name for file in Path(meeting.step.path(f"state/nodes/{JOB}")).iterdir()] == ["situation.json"]


@pytest.mark.slow
def test_a_step_that_is_lost_and_begins_anew_is_joined_again(
    alone: Result, meeting: Meeting, start: Start, tmp_path: Path
) -> None:
    lost = start(train_in_processes, failing(tmp_path, time.monotonic, at=9), digits(seed=1), 1, print, meeting)
    other = start(node.take_part, second(meeting))
    soon((tmp_path / "failed").exists, lost.kill).join()
    reports: Reports = []
    found = train_in_processes(failing(tmp_path, time.monotonic, at=9), digits(seed=1), 1, reports.append, meeting)
    assert same(found, alone[1])
    assert losses(reports)[-1] == pytest.approx(losses(alone[0])[-1], rel=1e-5)
    meeting.close()
    other.join(20)
    assert other.exitcode == 0


@pytest.mark.slow
def test_both_nodes_raise_the_error_of_the_process_that_each_restart_meets(
    meeting: Meeting, start: Start, tmp_path: Path
) -> None:
    full = failing(tmp_path, partial(raises, OSError(28, "No space left on device")), at=2, each_time=True)
    other = start(node.take_part, second(meeting))
    with pytest.raises(ModelTrainingError, match=r"training process 1: OSError: \[Errno 28\] No space left on device"):
        train_in_processes(full, None, 1, print, meeting)
    other.join(20)
    assert other.exitcode == 1


def test_a_node_ends_with_the_step_and_does_not_wait_for_ever(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "SECONDS_WITHOUT_THE_STEP", 0)
    with pytest.raises(ModelTrainingError, match="the step on the first of 2 nodes has neither given a training nor"):
        node.take_part(second(meeting))
    meeting.close()
    node.take_part(second(meeting))


def test_a_store_that_is_away_for_a_while_does_not_end_a_node(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = TimeoutError("the store does not answer")
    situation = Mock(side_effect=[away, Situation(ended=True), away])
    monkeypatch.setattr(Meeting, "situation", situation)
    node.take_part(second(meeting))
    assert "the step cannot be seen just now: " in caplog.text
    monkeypatch.setattr(node, "SECONDS_WITHOUT_THE_STORE", -1)
    with pytest.raises(TimeoutError):
        node.take_part(second(meeting))


def test_only_the_training_that_the_step_names_is_fetched(meeting: Meeting, tmp_path: Path) -> None:
    given, fetched = Handover(tmp_path), Handover(tmp_path / "other")
    fetched.folder.mkdir()
    given.give(plan(), None)
    meeting.open(given)
    named = second(meeting).situation().plan
    assert named == given.digest()
    assert second(meeting).fetch(named, fetched)
    given.give(plan(), None)
    assert given.digest() != named, "each has a digest of its own"
    earlier = Meeting(meeting.step, Nodes(2, 0, meeting.nodes.meeting, "job-of-an-earlier-try"))
    earlier.open(given)
    meeting.open(given)
    assert not second(meeting).fetch(named, fetched)
    rows = [*Path(meeting.step.path("state/nodes")).rglob("plan")]
    assert rows == [Path(meeting.step.path(f"state/nodes/{JOB}/plan"))], "rows are kept once"


def test_the_step_knows_why_processes_of_other_nodes_have_failed(meeting: Meeting, tmp_path: Path) -> None:
    assert meeting.failed() == ([], {})
    other = Handover(tmp_path)
    other.fail(failed := Failed(1, "OSError", "the disk is full", 1, at=19.0))
    other.note_exit_codes({1: -9})
    second(meeting).report_failed(other)
    assert meeting.failed() == ([failed], {1: -9})
