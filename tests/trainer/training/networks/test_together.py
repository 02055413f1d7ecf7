"""Several processes train a network as one does; lost processes, signals and errors."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")

from tests.trainer.process.test_parent_death import has_ended  # noqa: E402
from tests.trainer.training.networks.rank_plans import EXACT, failing, is_killed, plan, raises  # noqa: E402
from tests.trainer.training.networks.test_loop import digits  # noqa: E402
from trainer.errors import ConfigurationError, DivergedError, ModelTrainingError, ProcessKilledError  # noqa: E402
from trainer.inference.network_estimator import NetworkEstimator  # noqa: E402
from trainer.process.sigterm import ENDED  # noqa: E402
from trainer.training.networks.handover import Failed, Handover  # noqa: E402
from trainer.training.networks.loop import EpochEnd, Progress, train  # noqa: E402
from trainer.training.networks.processes import error_of, processes_for  # noqa: E402
from trainer.training.networks.together import train_in_processes  # noqa: E402

Reports = list[EpochEnd | Progress]
Result = tuple[Reports, NetworkEstimator]


def losses(reports: Reports) -> list[tuple[float | None, ...]]:
    return [
        (one.train_loss, one.validation_loss, one.train_accuracy, one.validation_accuracy)
        for one in reports
        if isinstance(one, EpochEnd)
    ]


def weights_of(estimator: NetworkEstimator) -> list[Any]:
    return [*torch.load(io.BytesIO(estimator.weights)).values()]


def same(one: NetworkEstimator, other: NetworkEstimator) -> bool:
    pairs = zip(weights_of(one), weights_of(other), strict=True)
    return all(torch.allclose(weights, others, atol=1e-5) for weights, others in pairs)


def test_two_processes_give_the_losses_and_the_network_of_one(alone: Result, capfd: pytest.CaptureFixture[str]) -> None:
    reports: Reports = []
    found = train_in_processes(plan(), digits(seed=1), 2, reports.append)
    assert len(losses(reports)) == EXACT.epochs
    for one, other in zip(losses(reports), losses(alone[0]), strict=True):
        assert one == pytest.approx(other, rel=1e-5)
    assert same(found, alone[1])
    assert capfd.readouterr() == ("", ""), "neither torchrun nor the processes print"


def test_after_a_kill_all_go_on_from_the_last_checkpoint_to_the_same_network(
    alone: Result, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reports: Reports = []
    found = train_in_processes(failing(tmp_path, is_killed, at=9), digits(seed=1), 2, reports.append)
    assert [one.epoch for one in reports if isinstance(one, EpochEnd)] == [1, 2, 3], "each epoch is reported once"
    assert same(found, alone[1])
    printed = capfd.readouterr().out
    assert "WARNING trainer.training.networks.rank: a training process failed or was lost: all 2 go on" in printed
    assert printed.count("training goes on after step 9 of 21, from a checkpoint") == 1, "one of the processes logs"


STEP = """
import sys
from functools import partial
from pathlib import Path
from typing import Any
from tests.trainer.training.networks.rank_plans import failing, signals_parent
from trainer.process.sigterm import ends_on_sigterm
from trainer.training.networks.together import train_in_processes

with ends_on_sigterm():
    train_in_processes(failing(Path(sys.argv[1]), signals_parent, at=9, minutes=60), None, 2, print)
"""


def test_sigterm_ends_all_processes_and_writes_a_checkpoint(alone: Result, tmp_path: Path) -> None:
    step = subprocess.Popen(
        [sys.executable, "-c", STEP, str(tmp_path)],
        cwd=Path(__file__).parents[4],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    printed, _ = step.communicate()
    assert step.returncode == ENDED, printed
    left = [pid for pid in psutil.pids() if session_of(pid) == step.pid]
    assert [pid for pid in left if not has_ended(pid)] == []
    [after] = re.findall(r"checkpoint written after step (\d+)", printed)
    assert int(after) >= 9
    again = failing(tmp_path, is_killed, at=9)()
    assert again.step == int(after)
    assert same(train(again, None, lambda _: None), alone[1])


def session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


KILLED = """
import sys
from functools import partial
from pathlib import Path
from tests.trainer.training.networks.rank_plans import failing, kills_step
from trainer.training.networks.together import train_in_processes

train_in_processes(failing(Path(sys.argv[1]), partial(kills_step, Path(sys.argv[1])), at=1), None, 2, print)
"""


@pytest.mark.slow
def test_all_processes_end_with_a_step_that_is_killed(tmp_path: Path) -> None:
    step = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parents[4])
    assert step.returncode == -signal.SIGKILL
    assert has_ended(int((tmp_path / "rank").read_text()))


def test_an_error_that_no_restart_can_change_is_raised_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at step \d+ of 21; lower `lr`"):
        train_in_processes(plan(EXACT.model_copy(update={"lr": 1e30})), None, 2, print)
    assert "restart" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ({1: -9}, "training process 1 of 2 was ended by SIGKILL, after 3 restarts from the last checkpoint; if memory"),
        ({1: 1}, "training process 1: OSError: the disk is full"),
    ],
    ids=["killed", "failed"],
)
def test_the_first_error_counts_and_not_those_that_follow_from_it(
    codes: dict[int, int], message: str, tmp_path: Path
) -> None:
    handover = Handover(tmp_path)
    handover.fail(Failed(0, "RuntimeError", "Connection closed by peer", 1, at=20.0))
    handover.fail(Failed(1, "OSError", "the disk is full", 1, at=19.0))
    handover.note_exit_codes(codes)
    error = error_of(1, handover, 2)
    assert str(error).startswith(message)
    assert error.exit_code == (137 if codes == {1: -9} else 1)


@pytest.mark.slow
def test_a_process_that_is_killed_after_each_restart_ends_the_step_as_memory_that_ran_out(tmp_path: Path) -> None:
    with pytest.raises(ProcessKilledError, match="training process 1 of 2 was ended by SIGKILL, after 3 restarts"):
        train_in_processes(failing(tmp_path, is_killed, at=2, each_time=True), None, 2, print)


@pytest.mark.slow
def test_an_error_that_each_restart_meets_is_raised_with_the_process(tmp_path: Path) -> None:
    full = partial(raises, OSError(28, "No space left on device"))
    with pytest.raises(ModelTrainingError, match=r"training process 1: OSError: \[Errno 28\] No space left on device"):
        train_in_processes(failing(tmp_path, full, at=2, each_time=True), None, 2, print)


def test_fewer_gpus_than_asked_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    visible = torch.cuda.device_count()
    assert processes_for(0) == 1
    monkeypatch.setenv("TRAINER_GPUS", str(visible + 3))
    for of_run in (0, 1):
        with pytest.raises(
            ConfigurationError, match=f"gpu: {visible + 3} GPUs are asked for, and PyTorch .* sees {visible}"
        ):
            processes_for(of_run)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than 2 GPUs")
def test_two_gpus_give_the_losses_of_one(alone: Result) -> None:
    reports: Reports = []
    train_in_processes(plan(), digits(seed=1), processes_for(2), reports.append)
    for one, other in zip(losses(reports), losses(alone[0]), strict=True):
        assert one == pytest.approx(other, rel=1e-3)
