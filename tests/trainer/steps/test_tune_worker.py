"""The step `tune_worker`: real processes that share a study, on a journal and on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from tests.postgres import Postgres
from tests.warm import WarmServers
from trainer.commands.step import run_step
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.run import RunFolder
from trainer.run.folder import PIPELINE_FILE
from trainer.run.records import IngestResult, TuneResult, TuneWorkerResult
from trainer.tuning.studies import ENQUEUED, SURPLUS, WORKER, finished_trials, open_study, starting_point, study_name
from trainer.tuning.study_storage import open_storage

FOREST = {
    "KIND": "sklearn",
    "estimator": "sklearn.ensemble.RandomForestClassifier",
    "params": {"n_estimators": 60, "max_depth": 4},
    "search": {"n_estimators": {"low": 50, "high": 120}, "max_depth": {"low": 2, "high": 12}},
}
TRIALS = 14
PATIENCE_SECONDS = 180


def shared(runs: Any, workers: int, **fields: Any) -> Pipeline:
    """The run's frozen pipeline with a forest whose study so many workers share."""
    document = runs.frozen.model_dump(mode="json")
    tuning = {**document["tuning"], "trials": TRIALS, "workers": workers, "parallel_folds": 1, **fields}
    pipeline = pipeline_of({**document, "algorithms": {"forest": FOREST}, "tuning": tuning})
    runs.folder.at("").write_text(PIPELINE_FILE, pipeline.to_yaml())
    return pipeline


class Started:
    """A worker's process, and its output so far."""

    def __init__(self, warm: WarmServers, command: list[str]) -> None:
        self._process = warm.start(command, os.environ, Path.cwd())
        self._lines: list[str] = []
        self._reader = threading.Thread(target=lambda: self._lines.extend(self._process.stdout), daemon=True)
        self._reader.start()

    @property
    def has_ended(self) -> bool:
        return not self._reader.is_alive()

    def send_signal(self, number: int) -> None:
        if not self.has_ended:
            os.kill(self._process.pid, number)

    def ended(self) -> tuple[int, str]:
        """Wait for its end; returns the exit code and what it has said."""
        code = self._process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        self._process.close()
        return code, "".join(self._lines)


Start = Callable[..., AbstractContextManager[list[Started]]]


@pytest.fixture
def started(warm: WarmServers) -> Start:
    """Starts workers as processes of their own."""

    @contextlib.contextmanager
    def started(folder: RunFolder, *workers: int, algorithm: str = "forest") -> Iterator[list[Started]]:
        command = ["-m", "trainer", "step", "tune_worker", "--run", folder.uri, "--algorithm", algorithm, "--worker"]
        processes = [Started(warm, [*command, str(worker)]) for worker in workers]
        try:
            yield processes
        finally:
            for process in processes:
                process.send_signal(signal.SIGKILL)
                process.ended()

    return started


def ended_well(processes: list[Started]) -> None:
    for process in processes:
        code, said = process.ended()
        assert code == 0, said


def study_of(folder: RunFolder, storage: str, algorithm: str = "forest") -> optuna.Study | None:
    """A study as another process sees it; None where it has not begun."""
    name = study_name(folder.key, algorithm, folder.pipeline(), folder.at("ingest").result(IngestResult).digest)
    try:
        return optuna.load_study(study_name=name, storage=open_storage(storage, name))
    except KeyError:
        return None


def trials_of(folder: RunFolder, storage: str, algorithm: str = "forest") -> list[FrozenTrial]:
    study = study_of(folder, storage, algorithm)
    return study.trials if study else []


def finished(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state in {TrialState.COMPLETE, TrialState.PRUNED}]


def wait_for(there: Callable[[], Any], processes: list[Started]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not there():
        assert not all(process.has_ended for process in processes), [process.ended() for process in processes]
        assert time.monotonic() < end
        time.sleep(0.05)


def result_of(folder: RunFolder, worker: int, algorithm: str = "forest") -> TuneWorkerResult:
    return folder.at("tune_worker", algorithm, worker).result(TuneWorkerResult)


@pytest.fixture(params=["journal", "postgresql"])
def storage(request: pytest.FixtureRequest, trained: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A storage, and its address in the environment."""
    if request.param == "journal":
        return f"journal://{trained.home}/studies"
    address = str(request.getfixturevalue("postgres_database"))
    monkeypatch.setenv("TRAINER_STUDY_STORAGE", address)
    return address


@pytest.fixture
def database(trained: Any, postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database for studies, and its address in the environment."""
    monkeypatch.setenv("TRAINER_STUDY_STORAGE", postgres_database)
    return postgres_database


def test_workers_run_exactly_the_studys_trials(
    trained: Any, storage: str, started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    workers = range(1, 4 if storage.startswith("postgresql") else 3)
    pipeline = shared(trained, len(workers))
    with started(trained.folder, *workers) as processes:
        ended_well(processes)
    trials = trials_of(trained.folder, storage)
    done = finished(trials)
    shares = {worker: result_of(trained.folder, worker) for worker in workers}
    assert len(done) == TRIALS
    assert {worker: share.trials for worker, share in shares.items()} == {
        worker: Counter(trial.user_attrs[WORKER] for trial in done)[worker] for worker in workers
    }
    assert not any(share.time_is_up for share in shares.values())
    assert [trial.params for trial in done if ENQUEUED in trial.system_attrs] == [
        starting_point(pipeline.algorithms["forest"])
    ]
    assert len({str(trial.params) for trial in done}) > TRIALS / 2  # they do not draw the same
    assert all(trial.user_attrs.get(SURPLUS) for trial in trials if trial not in done)
    with caplog.at_level(logging.INFO, logger="trainer"):
        trained.step("tune", "forest")
    assert "forest: resuming after 14 finished trials" in caplog.text
    assert ": trial " not in caplog.text
    tuned = trained.folder.at("tune", "forest").result(TuneResult)
    assert (tuned.trials, tuned.study) == (TRIALS, shares[1].study)
    assert tuned.cv_mean == pytest.approx(max(trial.value for trial in done if trial.state == TrialState.COMPLETE))


def stop_in_mid_trial(process: Started, folder: RunFolder, storage: str) -> None:
    """Halt a worker where it has scored some of a trial's folds."""
    wait_for(lambda: study_of(folder, storage), [process])
    study = study_of(folder, storage)  # kept: to open a storage can take longer than a trial
    assert study is not None

    def is_at_one() -> bool:
        running = study.get_trials(states=(TrialState.RUNNING,))
        return bool(running and running[0].intermediate_values)

    def is_held_at_one() -> bool:
        if not is_at_one():
            return False
        process.send_signal(signal.SIGSTOP)
        held = is_at_one()
        if not held:  # it was at the next already
            process.send_signal(signal.SIGCONT)
        return held

    wait_for(is_held_at_one, [process])


def test_what_a_killed_worker_leaves_is_made_up_for(
    trained: Any, storage: str, started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    shared(trained, 2)
    with started(trained.folder, 2) as victims:
        stop_in_mid_trial(victims[0], trained.folder, storage)
        with started(trained.folder, 1) as survivors:
            victims[0].send_signal(signal.SIGKILL)
            ended_well(survivors)
    before = finished(trials_of(trained.folder, storage))
    left = [trial for trial in trials_of(trained.folder, storage) if trial.state == TrialState.RUNNING]
    assert [trial.user_attrs[WORKER] for trial in left] == [2]
    assert len(before) == TRIALS - 1  # the survivor cannot know that the other is dead
    assert result_of(trained.folder, 1).trials >= 1
    with caplog.at_level(logging.WARNING, logger="trainer"):
        trained.step("tune", "forest")
    assert f"trial {left[0].number} was interrupted and does not count" in caplog.text
    after = finished(trials_of(trained.folder, storage))
    assert [trial.number for trial in before] == [trial.number for trial in after if trial.user_attrs[WORKER]]
    assert len(after) == TRIALS == trained.folder.at("tune", "forest").result(TuneResult).trials


def test_a_database_that_is_restarted_loses_no_finished_trial(
    trained: Any, database: str, postgres: Postgres, started: Start
) -> None:
    shared(trained, 2)
    with started(trained.folder, 1, 2) as processes:
        wait_for(lambda: len(finished(trials_of(trained.folder, database))) >= 3, processes)
        before = {(trial.number, trial.value) for trial in finished(trials_of(trained.folder, database))}
        postgres.stop()
        postgres.start()
        ends = [process.ended() for process in processes]
    for code, text in ends:
        assert code in {0, 1}, text
        assert code == 0 or "OutageError: a database does not answer" in text, text
    again = [number for number, (code, _) in enumerate(ends, start=1) if code]
    with started(trained.folder, *again) as retried:
        ended_well(retried)
    trained.step("tune", "forest")
    after = [(trial.number, trial.value) for trial in finished(trials_of(trained.folder, database))]
    assert before <= set(after)  # a trial with a lower number may have been running
    assert len(after) == TRIALS


def test_two_algorithms_may_begin_at_once_on_an_empty_database(trained: Any, database: str, started: Start) -> None:
    pipeline = shared(trained, 2, trials=2)
    document = pipeline.model_dump(mode="json")
    other = pipeline_of({**document, "algorithms": {"forest": FOREST, "copse": FOREST}})
    trained.folder.at("").write_text(PIPELINE_FILE, other.to_yaml())
    with started(trained.folder, 1) as one, started(trained.folder, 1, algorithm="copse") as two:
        ended_well([*one, *two])
    assert [len(finished(trials_of(trained.folder, database, name))) for name in ("forest", "copse")] == [2, 2]


def test_a_worker_that_starts_again_leaves_the_others_alone(trained: Any, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = shared(trained, 3, trials=4)
    name = study_name(trained.folder.key, "forest", pipeline, trained.folder.at("ingest").result(IngestResult).digest)
    study = open_study(name, f"journal://{trained.home}/studies", pipeline)
    running = [study.ask(), study.ask()]
    for worker, trial in enumerate(running, start=1):
        trial.set_user_attr(WORKER, worker)
    with caplog.at_level(logging.WARNING, logger="trainer"):
        run_step("tune_worker", trained.folder, pipeline, "forest", 1)
    assert caplog.text.count("was interrupted") == 1
    states = [trial.state for trial in study.get_trials()][:2]
    assert states == [TrialState.FAIL, TrialState.RUNNING]
    assert len(finished_trials(study)) == 3 == result_of(trained.folder, 1).trials  # the fourth is the other's


def test_without_a_search_there_is_nothing_to_share(trained: Any) -> None:
    pipeline = shared(trained, 2, enabled=False)
    run_step("tune_worker", trained.folder, pipeline, "forest", 2)
    share = result_of(trained.folder, 2)
    assert (share.worker, share.study, share.trials, share.time_is_up) == (2, "", 0, False)


def test_where_time_is_up_for_a_worker_it_is_up_for_the_search(trained: Any, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = shared(trained, 2, timeout_minutes=0.000001)
    run_step("tune_worker", trained.folder, pipeline, "forest", 1)
    assert result_of(trained.folder, 1).time_is_up
    assert "forest, worker 1: time is up after 1 of 14 trials" in caplog.text
    trained.step("tune", "forest")
    assert trained.folder.at("tune", "forest").result(TuneResult).trials == 1


@pytest.mark.parametrize("worker", [0, -1, 3])
def test_a_worker_must_be_one_of_the_pipelines(trained: Any, worker: int) -> None:
    pipeline = shared(trained, 2)
    with pytest.raises(ConfigurationError, match=r"--worker must be a number from 1 to 2 \(`tuning.workers`\), not"):
        run_step("tune_worker", trained.folder, pipeline, "forest", worker)


def test_other_steps_have_no_workers(trained: Any) -> None:
    with pytest.raises(ConfigurationError, match="step tune: it is not shared by workers; leave out --worker"):
        run_step("tune", trained.folder, trained.frozen, "logistic", 1)
