"""Steps that SIGTERM ends: real processes, in the middle of their work, and the try that follows."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.steps.test_tune import FOREST, name_of, refrozen, trials_in, tuned, with_tuning
from trainer.process.sigterm import ENDED
from trainer.run import RunFolder
from trainer.run.folder import FAILURE_FILE
from trainer.run.records import StartResult, TrainResult

SECONDS_ALLOWED = 6
PATIENCE_SECONDS = 120
TRIALS = 8
# One round of boosting is one call into native code; so many trees in a round take minutes.
ENDLESS = {"KIND": "xgboost", "params": {"n_estimators": 1, "num_parallel_tree": 1_000_000, "max_depth": 6}}


def ended(folder: RunFolder, step: str, algorithm: str, when: Callable[[], bool]) -> str:
    """Start the step as a pod would, end it once `when` says so; what it has logged."""
    command = [sys.executable, "-m", "trainer", "step", step, "--run", folder.uri, "--algorithm", algorithm]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while not when():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        log = process.communicate(timeout=PATIENCE_SECONDS)[0]
        assert time.monotonic() - began < SECONDS_ALLOWED, log
    finally:
        process.kill()
    assert process.returncode == ENDED, log
    return log


def assert_kept(folder: RunFolder, log: str) -> None:
    failure = folder.failure()
    assert failure is not None, log
    assert (failure.error, failure.exit_code, failure.step) == ("StepEnded", ENDED, folder.step)
    assert failure.message.startswith("ended by SIGTERM before it was done: ")
    assert "production stays" in failure.message
    assert "SIGTERM: ending within 3 seconds" in log
    assert [*Path(folder.root).rglob(".tmp-*")] == []


@pytest.mark.alone
def test_a_search_that_is_ended_goes_on_after_its_finished_trials(trained: Any, tmp_path: Path) -> None:
    refrozen(trained, algorithms={"forest": FOREST}, **with_tuning(trained, trials=TRIALS))
    name, storage = name_of(trained.folder, "forest"), tmp_path / "studies"
    journal = storage / f"{name}.journal"
    log = ended(trained.folder, "tune", "forest", lambda: journal.exists() and len(trials_in(storage, name)) >= 2)
    assert_kept(trained.folder.at("tune", "forest"), log)
    before = trials_in(storage, name)
    assert 2 <= len(before) < TRIALS
    trained.step("tune", "forest")
    after = trials_in(storage, name)
    assert [trial.params for trial in after[: len(before)]] == [trial.params for trial in before]
    assert len(after) == tuned(trained.folder, "forest").trials == TRIALS
    assert trained.folder.at("tune", "forest").failure() is None


@pytest.mark.alone
def test_a_training_in_native_code_ends_and_the_next_try_succeeds(trained: Any) -> None:
    pipeline = refrozen(trained, algorithms={"trees": ENDLESS}, **with_tuning(trained, enabled=False))
    folder, client = trained.folder, trained.client
    result = tuned(folder, "logistic").model_copy(update={"algorithm": "trees", "params": ENDLESS["params"]})
    folder.at("tune", "trees").finish(result)
    start = folder.at("start").result(StartResult)

    def runs(status: str) -> list[Any]:
        query = f"tags.`trainer.task` = 'train trees' AND attributes.status = '{status}'"
        found: list[Any] = client.search_runs([start.experiment_id], query)
        return found

    def fits() -> bool:
        if not any("device" in run.data.params for run in runs("RUNNING")):
            return False
        time.sleep(2)  # from there to native code it is not far
        return True

    log = ended(folder, "train", "trees", fits)
    assert_kept(folder.at("train", "trees"), log)
    assert runs("RUNNING") == []
    assert len(runs("KILLED")) == 1
    quick = result.model_copy(update={"params": {"n_estimators": 3}})
    folder.at("tune", "trees").finish(quick)
    trained.step("train", "trees", pipeline=pipeline)
    assert folder.at("train", "trees").result(TrainResult).params == {"n_estimators": 3}
    assert not Path(folder.at("train", "trees").path(FAILURE_FILE)).exists()


@pytest.mark.parametrize("step", ["ingest", "engineer_features"])
def test_a_step_that_begins_can_be_ended(trained: Any, step: str) -> None:
    """Wherever the signal comes, at the latest while libraries are imported."""
    folder = trained.folder.at(step)
    done = Path(folder.path("result.json"))
    command = [sys.executable, "-m", "trainer", "step", step, "--run", trained.folder.uri]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while done.exists():  # it is undone first
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS_ALLOWED) == ENDED
    finally:
        process.kill()
    failure = folder.failure()
    assert failure is not None
    assert failure.error == "StepEnded"
    assert not done.exists()
    trained.step(step)
    assert done.exists()
