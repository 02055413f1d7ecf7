"""Running the trials of a study: how many there are, whoever runs them, and what an outage may not lose."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from tests.postgres import Postgres
from trainer.errors import DivergedError, StudyTakenOverError
from trainer.pipeline import Pipeline, parse_pipeline
from trainer.tuning import search as searching
from trainer.tuning.objective import Score
from trainer.tuning.search import Search, Share, run_trials
from trainer.tuning.studies import (
    ENQUEUED,
    SURPLUS,
    WORKER,
    finished_trials,
    open_study,
    sampler,
    starting_point,
    suggest,
)

PIPELINE = """
name: leavers
description: who leaves
problem: binary_classification
source: {KIND: csv, uri: /data/rows.csv}
columns: {target: y, positive: "yes"}
algorithms:
  trees:
    KIND: sklearn
    estimator: sklearn.ensemble.RandomForestClassifier
    params: {max_depth: 6}
    search: {max_depth: {low: 1, high: 60}, min_samples_leaf: {low: 1, high: 90}}
tuning: {metric: auc_roc, startup_trials: 4, trials: TRIALS, workers: 4, folds: 3}
gates: {against_production: {metric: auc_roc}}
registry: {model: leavers, experiment: leavers}
"""
FOLDS = 3


def nothing() -> None:
    """What happens in the middle of most trials."""


@dataclass(frozen=True)
class Quick:
    """Scores that cost nothing; `meanwhile` happens before the last one of each trial."""

    meanwhile: Callable[[], None] = nothing
    reports: int = FOLDS
    can_stop_early: bool = False
    rounds_name: str = "n_estimators"
    scores_as_given: bool = True

    def summary(self, scores: Sequence[Score]) -> tuple[float, float]:
        return sum(score.value for score in scores) / len(scores), 0.0

    def scores(self, params: dict[str, Any], *, stop_early: bool) -> Generator[Score]:
        assert not stop_early
        for fold in range(FOLDS):
            if fold == FOLDS - 1:
                self.meanwhile()
            yield Score(1 / params["max_depth"] + fold / 100, None)


def with_trials(trials: int) -> Pipeline:
    return parse_pipeline(PIPELINE.replace("TRIALS", str(trials)), "leavers.yaml")


def quick(trials: int, worker: int = 0, meanwhile: Callable[[], None] = nothing) -> Search:
    return Search(with_trials(trials), "trees", Quick(meanwhile), worker)


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return f"journal://{tmp_path}/studies"


def opened(search: Search, storage: str) -> optuna.Study:
    return open_study("s", storage, search.pipeline, search.worker)


def searched(search: Search, storage: str) -> Share:
    share = Share()
    run_trials(search, opened(search, storage), share)
    return share


def seen(storage: str) -> list[optuna.trial.FrozenTrial]:
    """The trials as another process sees them, none of them marked."""
    return list(open_study("s", storage, with_trials(1), worker=99).trials)


def test_alone_it_draws_what_a_plain_loop_does(journal: str) -> None:
    search = quick(8)
    plain = open_study("plain", journal, search.pipeline)
    for number in range(8):
        plain.sampler = sampler(search.pipeline, number)
        if number == 0:
            plain.enqueue_trial(starting_point(search.space))
        trial = plain.ask()
        params = suggest(trial, search.space)
        for fold in range(FOLDS):
            trial.report(1 / params["max_depth"] + fold / 200, step=fold + 1)
        plain.tell(trial, 1 / params["max_depth"] + 0.01)
    assert searched(search, journal).trials == 8
    assert [trial.params for trial in seen(journal)] == [trial.params for trial in plain.trials]
    assert {trial.user_attrs[WORKER] for trial in seen(journal)} == {0}


def test_a_trial_that_diverges_is_pruned_and_the_search_goes_on(journal: str, caplog: pytest.LogCaptureFixture) -> None:
    left = [DivergedError("the loss is nan")]

    def diverge_once() -> None:
        if left:
            raise left.pop()

    share = searched(quick(4, meanwhile=diverge_once), journal)
    assert (share.trials, share.pruned) == (4, 1)
    assert [trial.state for trial in seen(journal)] == [TrialState.PRUNED, *3 * [TrialState.COMPLETE]]
    assert "trial 1 is pruned: the loss is nan" in caplog.text


@pytest.mark.parametrize("where", ["journal", "postgresql"])
def test_workers_that_race_finish_exactly_the_studys_trials(
    where: str, journal: str, request: pytest.FixtureRequest
) -> None:
    storage = journal if where == "journal" else request.getfixturevalue("postgres_database")
    trials, workers = 24, range(1, 5)
    barrier = threading.Barrier(len(workers))

    def work(worker: int) -> Share:
        search = quick(trials, worker)
        study = opened(search, storage)
        barrier.wait(60)
        share = Share()
        run_trials(search, study, share)
        return share

    with ThreadPoolExecutor(len(workers)) as pool:
        shares = list(pool.map(work, workers))
    done = [trial for trial in seen(storage) if trial.state.is_finished() and trial.state != TrialState.FAIL]
    assert len(done) == trials == sum(share.trials for share in shares)
    assert sum(ENQUEUED in trial.system_attrs for trial in done) == 1
    assert all(trial.user_attrs[SURPLUS] for trial in seen(storage) if trial.state == TrialState.FAIL)


def test_a_trial_that_another_worker_is_at_counts(journal: str) -> None:
    other = opened(quick(1, worker=2), journal)
    other.ask().set_user_attr(WORKER, 2)
    share = searched(quick(1, worker=1), journal)
    assert (share.trials, share.time_is_up) == (0, False)
    assert [trial.state.name for trial in seen(journal)] == ["RUNNING", "FAIL"]
    assert seen(journal)[1].user_attrs == {WORKER: 1, SURPLUS: True}


def test_the_step_that_comes_last_completes_the_study_even_beside_one_that_is_taken_for_dead(journal: str) -> None:
    search = quick(2)
    study = opened(search, journal)
    study.ask().set_user_attr(WORKER, 2)
    share = Share()
    run_trials(search, study, share)
    assert share.trials == 2
    assert len(finished_trials(study)) == 2
    assert study.trials[0].state == TrialState.FAIL


def test_of_two_starting_points_one_is_tried(journal: str) -> None:
    search = quick(3, worker=1)
    study = opened(search, journal)
    for _ in range(2):
        study.enqueue_trial(starting_point(search.space))
    assert searched(search, journal).trials == 3
    starts = [trial.state.name for trial in seen(journal) if ENQUEUED in trial.system_attrs]
    assert starts == ["COMPLETE", "FAIL"]


def test_each_worker_draws_on_its_own_and_goes_on_where_it_was(journal: str, tmp_path: Path) -> None:
    def drawn(worker: int, storage: str, *pieces: int) -> list[dict[str, Any]]:
        for trials in pieces:
            searched(quick(trials, worker), storage)
        return [trial.params for trial in seen(storage)][1:]

    one = drawn(1, journal, 4)
    assert one == drawn(1, f"journal://{tmp_path}/in-pieces", 2, 4)
    assert not [params for params in drawn(2, f"journal://{tmp_path}/other", 4) if params in one]


@pytest.mark.parametrize("worker", [0, 1])
def test_a_trial_that_another_process_has_ended_ends_the_search(worker: int, journal: str) -> None:
    def end_it() -> None:
        open_study("s", journal, with_trials(2))  # as `tune` does, which takes all that run for dead

    with pytest.raises(StudyTakenOverError, match="study s: .*another process takes this one for dead"):
        searched(quick(2, worker, end_it), journal)
    assert [trial.state for trial in seen(journal)] == [TrialState.FAIL]


def test_what_a_trial_has_found_outlives_a_short_outage(
    postgres: Postgres, postgres_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(searching, "PAUSE_SECONDS", 0.2)
    restarts: list[threading.Timer] = []

    def restart_once() -> None:
        if not restarts:
            postgres.stop()
            restarts.append(threading.Timer(1.0, postgres.start))
            restarts[0].start()

    share = searched(quick(3, 1, restart_once), postgres_database)
    restarts[0].join()
    assert share.trials == 3
    assert [trial.state for trial in seen(postgres_database)] == [TrialState.COMPLETE] * 3
    assert "the database of the study does not answer; it is asked again" in caplog.text


def test_patience_has_an_end(postgres: Postgres, postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(searching, "PATIENCE_SECONDS", 0.5)
    search = quick(3, 1, postgres.stop)
    with pytest.raises(optuna.exceptions.StorageInternalError):
        searched(search, postgres_database)
    postgres.start()
    assert [trial.state for trial in seen(postgres_database)] == [TrialState.RUNNING]
    assert searched(quick(3, 1), postgres_database).trials == 3
