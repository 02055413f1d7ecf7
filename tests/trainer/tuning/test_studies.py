"""Studies: named by what they depend on, and after a kill they go on as if nothing had happened."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from trainer.errors import ConfigurationError
from trainer.pipeline import Code, Pipeline, XGBoost, parse_pipeline, pipeline_of
from trainer.tuning import study_storage
from trainer.tuning.studies import (
    _worker_seed,
    finished_trials,
    open_study,
    sampler,
    starting_point,
    study_name,
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
    KIND: xgboost
    params: {n_estimators: 100, max_depth: 6, learning_rate: 0.1, booster: gbtree, subsample: 2.0}
    search:
      max_depth: {low: 1, high: 8}
      learning_rate: {low: 0.01, high: 0.3, log: true}
      n_estimators: {low: 50, high: 400, step: 10}
      booster: {choices: [gbtree, dart]}
      subsample: {low: 0.5, high: 1.0, step: 0.25}
      reg_lambda: {low: 0.1, high: 9.0}
tuning: {metric: auc_roc, startup_trials: 4}
gates: {against_production: {metric: auc_roc}}
registry: {model: leavers, experiment: leavers}
"""
TRIALS = 12
Opened = Callable[[], optuna.Study]


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return parse_pipeline(PIPELINE, "leavers.yaml")


@pytest.fixture
def opened(pipeline: Pipeline, tmp_path: Path) -> Opened:
    """Opens the test's study, as a fresh process would."""
    return lambda: open_study("run1-trees", f"journal://{tmp_path}/studies", pipeline)


def other(pipeline: Pipeline, section: str, **fields: Any) -> Pipeline:
    return pipeline.model_copy(update={section: getattr(pipeline, section).model_copy(update=fields)})


def other_algorithm(pipeline: Pipeline, **fields: Any) -> Pipeline:
    trees = pipeline.algorithms["trees"].model_copy(update=fields)
    return pipeline.model_copy(update={"algorithms": {"trees": trees}})


def figure(params: dict[str, Any]) -> float:
    """Something to maximise that depends on all parameters."""
    return float(-abs(params["max_depth"] - 3) - abs(params["learning_rate"] - 0.1) + params["reg_lambda"] / 9)


def run_trials(study: optuna.Study, pipeline: Pipeline, until: int) -> None:
    """As the step `tune` does it."""
    for number in range(len(finished_trials(study)), until):
        study.sampler = sampler(pipeline, number)
        trial = study.ask()
        study.tell(trial, figure(suggest(trial, pipeline.algorithms["trees"])))


def drawn(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in finished_trials(study)]


def test_other_data_space_or_rules_make_another_study(pipeline: Pipeline) -> None:
    search = {**pipeline.algorithms["trees"].search}
    del search["reg_lambda"]
    changed = [
        study_name("run1", "trees", pipeline, "digest-2"),
        study_name("run2", "trees", pipeline, "digest-1"),
        study_name("run1", "trees", other_algorithm(pipeline, search=search), "digest-1"),
        study_name("run1", "trees", other_algorithm(pipeline, params={"max_depth": 2}), "digest-1"),
        study_name("run1", "trees", other(pipeline, "tuning", folds=3), "digest-1"),
        study_name("run1", "trees", other(pipeline, "tuning", metric="auc_pr"), "digest-1"),
        study_name("run1", "trees", other(pipeline, "tuning", seed=1), "digest-1"),
        study_name("run1", "trees", other(pipeline, "features", derive={"a": "b + 1"}), "digest-1"),
        study_name("run1", "trees", other(pipeline, "preprocess", numeric="mean"), "digest-1"),
    ]
    name = study_name("run1", "trees", pipeline, "digest-1")
    assert len({name, *changed}) == len(changed) + 1
    assert name.startswith("run1-trees-")


def test_another_commit_makes_another_study_and_without_code_the_name_is_as_ever(pipeline: Pipeline) -> None:
    code = [Code(repository="file:///models", commit=digit * 40) for digit in "ab"]
    names = [study_name("run1", "trees", pipeline.model_copy(update={"code": one}), "digest-1") for one in code]
    name = study_name("run1", "trees", pipeline, "digest-1")
    assert len({name, *names}) == 3
    assert name == "run1-trees-d6a0357741b4"
    moved = code[0].model_copy(update={"ref": "v2"})
    assert study_name("run1", "trees", pipeline.model_copy(update={"code": moved}), "digest-1") == names[0]


@pytest.mark.parametrize(
    "fields", [{"trials": 999}, {"timeout_minutes": 1}, {"parallel_folds": 3}, {"workers": 4}], ids=str
)
def test_more_trials_or_time_go_on_with_the_same_study(pipeline: Pipeline, fields: dict[str, Any]) -> None:
    again = study_name("run1", "trees", other(pipeline, "tuning", **fields), "digest-1")
    assert again == study_name("run1", "trees", pipeline, "digest-1")


def test_other_resources_go_on_with_the_same_study(pipeline: Pipeline) -> None:
    document = pipeline.model_dump(mode="json")
    document["algorithms"]["trees"]["resources"] = {"tune": {"cpu": "4"}}
    again = study_name("run1", "trees", pipeline_of(document), "digest-1")
    assert again == study_name("run1", "trees", pipeline, "digest-1")


def test_of_several_workers_each_has_seeds_of_its_own(pipeline: Pipeline) -> None:
    seeds = {(worker, before): _worker_seed(42, worker, before) for worker in range(1, 65) for before in range(50)}
    assert len({*seeds.values()}) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds.values())
    assert sampler(pipeline, 0, worker=1)._constant_liar
    assert not sampler(pipeline, 0)._constant_liar


@pytest.mark.parametrize("stop_after", [1, 3, 7], ids=["first", "while-random", "while-learning"])
def test_a_resumed_study_draws_what_an_undisturbed_one_does(
    opened: Opened, pipeline: Pipeline, tmp_path: Path, stop_after: int
) -> None:
    undisturbed = open_study("undisturbed", f"journal://{tmp_path}/studies", pipeline)
    run_trials(undisturbed, pipeline, TRIALS)
    run_trials(opened(), pipeline, stop_after)
    resumed = opened()
    run_trials(resumed, pipeline, TRIALS)
    assert drawn(resumed) == drawn(undisturbed)
    assert len({str(params) for params in drawn(resumed)}) == TRIALS


def test_an_interrupted_trial_is_marked_failed_and_does_not_count(
    opened: Opened, pipeline: Pipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    undisturbed = open_study("undisturbed", f"journal://{tmp_path}/studies", pipeline)
    run_trials(undisturbed, pipeline, TRIALS)
    killed = opened()
    run_trials(killed, pipeline, 6)
    killed.sampler = sampler(pipeline, 6)
    suggest(killed.ask(), pipeline.algorithms["trees"])  # and here the process is killed
    with caplog.at_level(logging.WARNING, logger="trainer"):
        resumed = opened()
    assert "study run1-trees: trial 6 was interrupted and does not count" in caplog.text
    assert [trial.state for trial in resumed.trials][-1] == TrialState.FAIL
    assert len(finished_trials(resumed)) == 6
    run_trials(resumed, pipeline, TRIALS)
    assert drawn(resumed) == drawn(undisturbed)


def test_pruned_trials_count(opened: Opened, pipeline: Pipeline) -> None:
    study = opened()
    run_trials(study, pipeline, 2)
    study.tell(study.ask(), state=TrialState.PRUNED)
    assert len(finished_trials(opened())) == 3


def test_values_lie_in_the_space(opened: Opened, pipeline: Pipeline) -> None:
    study = opened()
    run_trials(study, pipeline, TRIALS)
    for params in drawn(study):
        assert params["max_depth"] in range(1, 9)
        assert 0.01 <= params["learning_rate"] <= 0.3
        assert params["n_estimators"] in range(50, 401, 10)
        assert params["booster"] in {"gbtree", "dart"}
        assert params["subsample"] in {0.5, 0.75, 1.0}


def test_the_starting_point_is_what_lies_in_the_space(pipeline: Pipeline) -> None:
    expected = {"n_estimators": 100, "max_depth": 6, "learning_rate": 0.1, "booster": "gbtree"}
    assert starting_point(pipeline.algorithms["trees"]) == expected
    outside = XGBoost.model_validate({"params": {"max_depth": 9}, "search": {"max_depth": {"low": 1, "high": 8}}})
    assert starting_point(outside) == {}


def test_the_starting_point_is_tried_first(opened: Opened, pipeline: Pipeline) -> None:
    study = opened()
    study.enqueue_trial(starting_point(pipeline.algorithms["trees"]))
    run_trials(study, pipeline, 2)
    assert drawn(study)[0].items() >= starting_point(pipeline.algorithms["trees"]).items()


@pytest.mark.parametrize(("metric", "direction"), [("auc_roc", "MAXIMIZE"), ("log_loss", "MINIMIZE")])
def test_the_metric_gives_the_direction(pipeline: Pipeline, tmp_path: Path, metric: str, direction: str) -> None:
    study = open_study("s", f"journal://{tmp_path}", other(pipeline, "tuning", metric=metric))
    assert study.direction.name == direction


def test_a_lock_that_a_killed_process_left_is_taken_over(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study_storage, "LOCK_GRACE_SECONDS", 3)
    run_trials(open_study("s", "journal://studies", pipeline), pipeline, 2)
    journal = tmp_path / "studies" / "s.journal"
    (journal.parent / f"{journal.name}.lock").symlink_to(journal)
    began = time.monotonic()
    study = open_study("s", "journal://studies", pipeline)
    assert time.monotonic() - began > 3
    run_trials(study, pipeline, 3)
    assert len(drawn(study)) == 3


def test_a_storage_must_be_named(pipeline: Pipeline) -> None:
    with pytest.raises(ConfigurationError, match="TRAINER_STUDY_STORAGE is not set"):
        open_study("s", "", pipeline)


def test_a_database_is_a_storage_too(pipeline: Pipeline, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/studies.db"
    run_trials(open_study("s", address, pipeline), pipeline, 2)
    assert len(finished_trials(open_study("s", address, pipeline))) == 2


def test_a_record_that_a_full_disk_has_torn_is_cut_off(
    opened: Opened, pipeline: Pipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_trials(opened(), pipeline, 3)
    before = drawn(opened())
    (journal,) = (tmp_path / "studies").glob("*.journal")
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":6,"worker_')
    with caplog.at_level(logging.WARNING, logger="trainer"):
        resumed = opened()
    assert "21 bytes of an unfinished record are cut off" in caplog.text
    run_trials(resumed, pipeline, 5)
    assert drawn(opened())[:3] == before
    assert len(drawn(opened())) == 5
