"""SIGKILL to the process group of a step, wherever it hurts; tried again, the run ends as if nothing had happened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.world.killing import (
    BEGIN,
    DONE,
    HALF_A_RESULT,
    MOVED,
    RESULT,
    Kill,
    assert_closed,
    kill_points,
    outputs,
)
from tests.faults.world.worlds import KEY
from tests.world import ALGORITHM
from trainer.run.records import AcceptResult, EvaluateResult, RefitResult, Result, TrainResult, TuneResult
from trainer.tuning.studies import finished_trials

if TYPE_CHECKING:
    from tests.faults.world.worlds import Stage, World
    from tests.warm import WarmServers
    from trainer.run import RunFolder

ALIAS = "mlflow:MlflowClient.set_registered_model_alias"
VERSION = "mlflow:MlflowClient.create_model_version"


TUNE = {
    "at its begin": (BEGIN,),
    "before a trial": (("before", "optuna:Study.ask"),),
    "in a trial": (("before", "optuna:Study.tell", "--count", "2"),),
    "after a trial": (("after", "optuna:Study.tell", "--count", "2"),),
    "in a record": (("after", "optuna.storages.journal:JournalFileBackend.append_logs", "--count", "5"),),
    "holding the lock": (("before", "optuna.storages.journal:JournalFileSymlinkLock.release", "--count", "4"),),
    "before its result": (RESULT,),
}


@pytest.mark.parametrize("point", kill_points(TUNE, slow=("at its begin", "before a trial", "after a trial")))
def test_tune_loses_no_trial_and_repeats_none(
    point: tuple[str, ...], world_after: Stage, stages: Stage, kill: Kill, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer.tuning import study_storage

    monkeypatch.setattr(study_storage, "LOCK_GRACE_SECONDS", 3)
    world = world_after("engineer_features")
    kill(world, point, "tune", ALGORITHM)
    assert world.folder.at("tune", ALGORITHM).result_or_none(TuneResult) is None
    world.step("tune", ALGORITHM)
    undisturbed = stages("tune")
    assert outputs(world, "tune", ALGORITHM) == outputs(undisturbed, "tune", ALGORITHM)
    assert trials(world) == trials(undisturbed)
    assert_closed(world)


def trials(world: World) -> list[Any]:
    """The finished trials of the only study."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    (journal,) = (world.home / "studies").glob("*.journal")
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    return [(trial.params, trial.value, trial.user_attrs) for trial in finished_trials(study)]


TRAIN = {
    "at its begin": (BEGIN, 0),
    "in its run": (("after", "mlflow:start_run"), 1),
    "before the model": (("before", "mlflow.pyfunc:log_model"), 1),
    "after the model": (("after", "mlflow.pyfunc:log_model"), 1),
    "in its predictions": (("before", "trainer.run.folder:_replace_durably", "--marker", "predictions"), 0),
    "before its result": (RESULT, 0),
}


@pytest.mark.parametrize(
    ("point", "killed"), kill_points(TRAIN, slow=("at its begin", "in its run", "before the model"))
)
def test_train_leaves_one_candidate_and_no_open_run(
    point: tuple[str, ...], killed: int, world_after: Stage, stages: Stage, kill: Kill
) -> None:
    world = world_after("tune")
    kill(world, point, "train", ALGORITHM)
    folder = world.folder.at("train", ALGORITHM)
    assert folder.result_or_none(TrainResult) is None
    world.step("train", ALGORITHM)
    assert_one_model(world, folder, TrainResult, killed)
    undisturbed = stages("train").folder.at("train", ALGORITHM)
    compared = ("params", "metrics", "train_metrics", "cut_off")
    assert _values(folder, TrainResult, compared) == _values(undisturbed, TrainResult, compared)
    assert _bytes(folder) == _bytes(undisturbed)


REFIT = {
    "at its begin": (BEGIN, 0),
    "before the model": (("before", "mlflow.pyfunc:log_model"), 1),
    "after the model": (("after", "mlflow.pyfunc:log_model"), 1),
    "before its result": (RESULT, 0),
}


@pytest.mark.parametrize(("point", "killed"), kill_points(REFIT, slow=("at its begin", "before the model")))
def test_refit_leaves_one_challenger_and_no_open_run(
    point: tuple[str, ...], killed: int, world_after: Stage, stages: Stage, kill: Kill
) -> None:
    world = world_after("train")
    kill(world, point, "refit")
    folder = world.folder.at("refit")
    assert folder.result_or_none(RefitResult) is None
    world.step("refit")
    assert_one_model(world, folder, RefitResult, killed)
    undisturbed = stages("refit").folder.at("refit")
    compared = ("winner", "learned_from", "rows", "cut_off", "constants", "keys")
    assert _values(folder, RefitResult, compared) == _values(undisturbed, RefitResult, compared)
    assert _bytes(folder) == _bytes(undisturbed)


def assert_one_model(world: World, folder: RunFolder, kind: type[TrainResult | RefitResult], killed: int) -> None:
    """The model's MLflow run is finished, and none is left open of the tries that were killed."""
    states = {run.info.run_id: run.info.status for run in world.of_task(folder.label)}
    assert states.pop(folder.result(kind).run_id) == "FINISHED"
    assert list(states.values()).count("KILLED") == killed
    assert_closed(world)


def _values(folder: RunFolder, kind: type[Result], names: tuple[str, ...]) -> dict[str, Any]:
    result = folder.result(kind)
    return {name: getattr(result, name) for name in names}


def _bytes(folder: RunFolder) -> bytes:
    return bytes(Path(folder.path("predictions.parquet")).read_bytes())


REGISTER = {
    "at its begin": (BEGIN,),
    "before the version": (("before", VERSION),),
    "after the version": (("after", VERSION),),
    "before its result": (RESULT,),
}


@pytest.mark.parametrize("point", kill_points(REGISTER, slow=("at its begin", "before the version")))
def test_register_makes_one_version(point: tuple[str, ...], world_after: Stage, stages: Stage, kill: Kill) -> None:
    world = world_after("decide")
    kill(world, point, "register")
    assert world.aliases() == {"production": "1"}
    world.step("register")
    undisturbed = stages("register")
    assert world.versions() == undisturbed.versions() == ["1", "2"]
    assert _version(world) == _version(undisturbed)
    assert world.aliases() == {"production": "1"}
    assert_closed(world)


def _version(world: World) -> tuple[Any, ...]:
    """What the registry says of version 2, but for what is of the place and of the moment."""
    version = world.client.get_model_version(world.model, "2")
    tags = {key: value for key, value in version.tags.items() if key != "trainer.run_folder"}
    fitted = world.folder.at("refit").result(RefitResult)
    assert version.source == fitted.model_uri == world.folder.at("evaluate").result(EvaluateResult).model_uri
    return version.description, version.status, tags


ACCEPT = {
    "at its begin": (BEGIN,),
    "after scoring": (("after", "trainer.isolated.scoring:_run"),),
    "before its result": (RESULT,),
}


@pytest.mark.parametrize("point", kill_points(ACCEPT, slow=("at its begin", "before its result")))
def test_accept_moves_nothing(point: tuple[str, ...], world_after: Stage, stages: Stage, kill: Kill) -> None:
    world = world_after("register")
    kill(world, point, "accept")
    assert world.folder.at("accept").result_or_none(AcceptResult) is None
    world.step("accept")
    accepted, undisturbed = (each.folder.at("accept").result(AcceptResult) for each in (world, stages("accept")))
    assert (accepted.version, accepted.rows, accepted.largest_difference) == (
        undisturbed.version,
        undisturbed.rows,
        undisturbed.largest_difference,
    )
    assert world.aliases() == {"production": "1"}
    assert_closed(world)


BEFORE = {"production": "1"}
STAGED = {"production": "1", "staging": "2"}
NO_WAY_BACK_YET = {"production": "2", "staging": "2"}
"""The version's tag says by then what it replaces."""


PROMOTE = {
    "at its begin": (BEGIN, BEFORE),
    "before staging": (("before", ALIAS, "--marker", "'staging'"), BEFORE),
    "after staging": (("after", ALIAS, "--marker", "'staging'"), STAGED),
    "before production": (("before", ALIAS, "--marker", "'production'"), STAGED),
    "after production": (("after", ALIAS, "--marker", "'production'"), NO_WAY_BACK_YET),
    "after the way back": (("after", ALIAS, "--marker", "'previous_production'"), MOVED),
    "before its result": (RESULT, MOVED),
    "in its result": (HALF_A_RESULT, MOVED),
    "after its result": (DONE, MOVED),
}
REPEATED = ("at its begin", "before staging", "after the way back", "before its result", "after its result")


@pytest.mark.parametrize(("point", "between"), kill_points(PROMOTE, slow=REPEATED))
def test_promote_is_safe_at_every_instant(
    point: tuple[str, ...], between: dict[str, str], world_after: Stage, stages: Stage, kill: Kill
) -> None:
    world = world_after("accept")
    kill(world, point, "promote")
    assert world.aliases() == between
    world.step("promote")
    assert world.aliases() == stages("promote").aliases() == MOVED
    assert outputs(world, "promote") == outputs(stages("promote"), "promote")
    assert world.versions() == ["1", "2"]
    assert_closed(world)


def test_the_next_try_removes_the_temporary_files_of_a_killed_one(
    world_after: Stage, kill: Kill, warm: WarmServers
) -> None:
    world = world_after("register")
    kill(world, ("before", "trainer.isolated.scoring:_run"), "accept")
    (left,) = (world.home / "tmp").glob("trainer-*")
    assert list(left.rglob("rows.parquet"))
    command = ["-m", "trainer", "step", "accept", "--run", world.folder.uri]
    done = warm.run(command, {**os.environ, "TMPDIR": str(world.home / "tmp")}, world.home)
    assert done.returncode == 0, done.stdout
    assert list((world.home / "tmp").glob("trainer-*")) == []
    assert world.folder.key == KEY
