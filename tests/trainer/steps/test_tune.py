"""The step `tune`: a search that goes on after a kill, and the parameters that it gives."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from trainer.commands.step import run_step
from trainer.errors import ConfigurationError, StepNotDoneError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.run import RunFolder
from trainer.run.folder import PIPELINE_FILE
from trainer.run.records import IngestResult, TuneResult
from trainer.tuning.studies import finished_trials, open_study, starting_point, study_name

FOREST = {
    "KIND": "sklearn",
    "estimator": "sklearn.ensemble.RandomForestClassifier",
    "params": {"n_estimators": 30, "max_depth": 4},
    "search": {
        "n_estimators": {"low": 20, "high": 60},
        "max_depth": {"low": 2, "high": 12},
        "min_samples_leaf": {"low": 1, "high": 20, "log": True},
    },
}
TRIALS = 8
PATIENCE_SECONDS = 120


def refrozen(runs: Any, **sections: Any) -> Pipeline:
    """Other sections in the run's frozen pipeline."""
    pipeline = pipeline_of({**runs.frozen.model_dump(mode="json"), **sections})
    runs.folder.at("").write_text(PIPELINE_FILE, pipeline.to_yaml())
    return pipeline


def with_tuning(runs: Any, **fields: Any) -> dict[str, Any]:
    return {"tuning": {**runs.frozen.tuning.model_dump(mode="json"), **fields}}


def tuned(folder: RunFolder, algorithm: str) -> TuneResult:
    return folder.at("tune", algorithm).result(TuneResult)


def name_of(folder: RunFolder, algorithm: str) -> str:
    digest = folder.at("ingest").result(IngestResult).digest
    return study_name(folder.key, algorithm, folder.pipeline(), digest)


def trials_in(storage: Path, name: str) -> list[optuna.trial.FrozenTrial]:
    """The finished trials of a study, as another process sees them."""
    journal = optuna.storages.journal.JournalFileBackend(str(storage / f"{name}.journal"))
    try:
        study = optuna.load_study(study_name=name, storage=optuna.storages.JournalStorage(journal))
    except KeyError:
        return []
    return finished_trials(study)


def test_the_best_trial_gives_the_parameters(trained: Any) -> None:
    result = tuned(trained.folder, "logistic")
    trials = trials_in(trained.home / "studies", result.study)
    best = max((trial for trial in trials if trial.value is not None), key=lambda trial: trial.value or 0.0)
    assert (result.enabled, result.trials, result.metric) == (True, 3, "auc_roc")
    assert result.study == name_of(trained.folder, "logistic")
    assert result.cv_mean == pytest.approx(best.value)
    assert result.fold_scores == best.user_attrs["fold_scores"]
    assert len(result.fold_scores) == 3
    assert result.params == {"solver": "newton-cholesky", **best.params}
    assert trials[0].params == {"C": 1.0}  # the pipeline's own parameters are tried first


def test_a_killed_search_loses_no_finished_trial_and_repeats_none(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refrozen(trained, algorithms={"forest": FOREST}, **with_tuning(trained, trials=TRIALS))
    name, storage = name_of(trained.folder, "forest"), tmp_path / "studies"
    before = killed_after(3, trained.folder, storage, name)
    trained.step("tune", "forest")
    after = trials_in(storage, name)
    monkeypatch.setenv("TRAINER_STUDY_STORAGE", f"journal://{tmp_path}/undisturbed")
    resumed = tuned(trained.folder, "forest")
    trained.step("tune", "forest")
    undisturbed = trials_in(tmp_path / "undisturbed", name)
    assert [trial.params for trial in after[: len(before)]] == [trial.params for trial in before]
    assert [(trial.params, trial.value) for trial in after] == [(trial.params, trial.value) for trial in undisturbed]
    assert len(after) == resumed.trials == TRIALS
    assert resumed.params == tuned(trained.folder, "forest").params


def killed_after(count: int, folder: RunFolder, storage: Path, name: str) -> list[optuna.trial.FrozenTrial]:
    """Start the step as a scheduler would, kill it when some trials are finished; what was finished by then."""
    command = [sys.executable, "-m", "trainer", "step", "tune", "--run", folder.uri, "--algorithm", "forest"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as step:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (storage / f"{name}.journal").exists() or len(trials_in(storage, name)) < count:
            assert step.poll() is None, step.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(step.pid, signal.SIGKILL)
    assert step.returncode == -signal.SIGKILL
    finished = trials_in(storage, name)
    assert count <= len(finished) < TRIALS
    with pytest.raises(StepNotDoneError):
        tuned(folder, "forest")
    return finished


def test_the_first_trial_starts_where_it_should_even_if_a_kill_interrupted_it(trained: Any) -> None:
    pipeline = refrozen(trained, **with_tuning(trained, seed=7))
    own = starting_point(pipeline.algorithms["logistic"])
    name = name_of(trained.folder, "logistic")
    study = open_study(name, f"journal://{trained.home}/studies", pipeline)
    study.enqueue_trial(own)
    study.ask().suggest_float("C", 0.01, 10.0, log=True)  # and here the process is killed
    trained.step("tune", "logistic")
    trials = trials_in(trained.home / "studies", name)
    assert trials[0].params == own
    assert len(trials) == 3


def test_run_again_nothing_is_repeated(trained: Any, caplog: pytest.LogCaptureFixture) -> None:
    before = tuned(trained.folder, "logistic")
    with caplog.at_level(logging.INFO, logger="trainer"):
        trained.step("tune", "logistic")
    assert "logistic: resuming after 3 finished trials" in caplog.text
    assert " trial " not in caplog.text
    kept = {"seconds", "finished_at"}
    assert tuned(trained.folder, "logistic").model_dump(exclude=kept) == before.model_dump(exclude=kept)


def test_more_trials_go_on_where_the_search_ended(trained: Any, caplog: pytest.LogCaptureFixture) -> None:
    refrozen(trained, **with_tuning(trained, trials=5))
    with caplog.at_level(logging.INFO, logger="trainer"):
        trained.step("tune", "logistic")
    lines = [message for message in caplog.messages if " trial " in message]
    assert len(lines) == 2
    assert lines[0].startswith("logistic: trial 4/5: ")
    result = tuned(trained.folder, "logistic")
    assert result.trials == 5
    assert result.cv_std is not None
    assert f"logistic: CV AUC: {result.cv_mean:.4f} (+/- {2 * result.cv_std:.4f})" in caplog.messages


def test_each_trial_tells_how_far_the_search_is(trained: Any, caplog: pytest.LogCaptureFixture) -> None:
    refrozen(trained, **with_tuning(trained, trials=2, seed=9))
    with caplog.at_level(logging.INFO, logger="trainer"):
        trained.step("tune", "logistic")
    first, second = (message for message in caplog.messages if " trial " in message)
    assert re.fullmatch(r"logistic: trial 1/2: (0\.\d{4}), best so far \1, about 0:\d\d left", first)
    assert re.fullmatch(r"logistic: trial 2/2: 0\.\d{4}, best so far 0\.\d{4}, about 0:00 left", second)


@pytest.mark.parametrize("how", ["tuning-off", "nothing-to-search"])
def test_without_a_search_the_pipelines_own_parameters_are_scored(trained: Any, how: str) -> None:
    if how == "tuning-off":
        refrozen(trained, **with_tuning(trained, enabled=False))
    else:
        own = trained.frozen.algorithms["logistic"].model_dump(mode="json")
        refrozen(trained, algorithms={"logistic": {**own, "search": {}}})
    trained.step("tune", "logistic")
    result = tuned(trained.folder, "logistic")
    assert (result.enabled, result.study, result.trials, result.pruned) == (False, "", 0, 0)
    assert result.params == {"solver": "newton-cholesky", "C": 1.0}
    assert len(result.fold_scores) == 3
    assert result.cv_mean == pytest.approx(sum(result.fold_scores) / 3)


def test_time_can_be_up_before_all_trials_are_done(trained: Any, caplog: pytest.LogCaptureFixture) -> None:
    refrozen(trained, **with_tuning(trained, trials=50, timeout_minutes=0.000001, seed=5))
    trained.step("tune", "logistic")
    assert tuned(trained.folder, "logistic").trials == 1
    assert "logistic: time is up after 1 of 50 trials" in caplog.text


def test_the_rounds_of_early_stopping_are_trained_with(trained: Any) -> None:
    trees = {
        "KIND": "xgboost",
        "params": {"n_estimators": 300, "learning_rate": 0.3},
        "search": {"max_depth": {"low": 1, "high": 3}},
    }
    refrozen(trained, algorithms={"trees": trees}, **with_tuning(trained, trials=2, early_stopping={"rounds": 5}))
    trained.step("tune", "trees")
    params = tuned(trained.folder, "trees").params
    assert 1 <= params["n_estimators"] < 300
    assert params["learning_rate"] == 0.3


@pytest.mark.parametrize("algorithm", ["", "forest"], ids=["none", "not-the-pipelines"])
def test_the_algorithm_must_be_one_of_the_pipelines(trained: Any, algorithm: str) -> None:
    with pytest.raises(ConfigurationError, match=r"step tune: --algorithm must be one of \['logistic'\]"):
        run_step("tune", trained.folder, trained.frozen, algorithm)
