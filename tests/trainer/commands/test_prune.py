"""`trainer prune`: lists, removes if asked, and touches nothing where it is not known what is in use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from trainer.__main__ import main
from trainer.commands import prune as command
from trainer.pipeline import Pipeline
from trainer.registry.anchor import ANCHOR_TAG
from trainer.registry.experiment_records import RecordedExperiment, record_experiment
from trainer.registry.versions import PREVIOUS, PRODUCTION, RUN_FOLDER_TAG
from trainer.run import RunFolder
from trainer.run.records import ReportResult
from trainer.serving.state import STATE_FILE, ServedVersion, ServingState, write

MODEL = "churn-predictor"
DIGEST = "0123456789ab"


@pytest.fixture
def store(surroundings: Any, churn: Pipeline) -> Path:
    """Four finished runs of long ago, with their journals."""
    for pipeline, key in (("churn", "run-1"), ("churn", "run-2"), ("churn", "run-3"), ("housing", "run-3")):
        run = RunFolder.open(f"{surroundings.runs}/{pipeline}/{key}")
        run.write_text("pipeline.yaml", churn.to_yaml())
        run.at("report").finish(ReportResult(outcome="promoted", summary=""))
        for path in run.filesystem.find(run.root):
            os.utime(path, (0, 0))
    studies = surroundings.home / "studies"
    studies.mkdir()
    for name in ("run-1-xgboost", "run-2-xgboost", "run-3-xgboost", "run-22-xgboost"):
        (studies / f"{name}-{DIGEST}.journal").touch()
    (studies / f"run-2-xgboost-{DIGEST}.journal.lock").symlink_to(studies / f"run-2-xgboost-{DIGEST}.journal")
    return Path(surroundings.runs)


@pytest.fixture
def in_use(client: MlflowClient, register: Any) -> MlflowClient:
    """Production came from run-1, and what was before from run-3."""
    for key, alias in (("run-1", PRODUCTION), ("run-3", PREVIOUS)):
        client.set_registered_model_alias(MODEL, alias, register(key))
    return client


def prune(store: Path, *more: str) -> int:
    return main(["prune", "--store", str(store), "--keep-last", "0", *more])


def left(store: Path) -> list[str]:
    return sorted(str(file.parent.relative_to(store)) for file in store.glob("*/*/pipeline.yaml"))


def test_it_lists_and_removes_only_if_asked(store: Path, in_use: MlflowClient, capsys: Any) -> None:
    assert prune(store) == 0
    listed = capsys.readouterr().out
    assert "churn/run-1  churn-predictor version 1 (production) came from it" in listed
    assert "churn/run-3  churn-predictor version 2 (previous_production) came from it" in listed
    assert "To remove: 2 run folders, 0.0 MB. Nothing was removed; --yes removes them." in listed
    assert len(left(store)) == 4
    assert prune(store, "--yes") == 0
    assert left(store) == ["churn/run-1", "churn/run-3"]
    assert not (store / "housing" / "run-3").exists()
    assert "Done: 2 run folders" in capsys.readouterr().out
    assert prune(store, "--yes") == 0
    assert "Nothing to remove." in capsys.readouterr().out


def test_the_anchor_of_a_version_with_an_alias_stays(
    store: Path, in_use: MlflowClient, register: Any, capsys: Any
) -> None:
    """Version 1 is production; margins count from version 3, which has no alias and came from run-2."""
    in_use.set_model_version_tag(MODEL, "1", ANCHOR_TAG, register("run-2"))
    in_use.set_model_version_tag(MODEL, "2", ANCHOR_TAG, "9")  # deleted: it needs nothing
    assert prune(store, "--yes") == 0
    assert "churn/run-2  churn-predictor version 3 (the anchor of version 1) came from it" in capsys.readouterr().out
    assert left(store) == ["churn/run-1", "churn/run-2", "churn/run-3"]


def test_the_journals_of_removed_runs_go_too(store: Path, in_use: MlflowClient, surroundings: Any) -> None:
    """That of `run-3` stays: another pipeline's run with the same key is kept."""
    prune(store, "--yes")
    names = sorted(file.name for file in (surroundings.home / "studies").iterdir())
    assert names == [f"{name}-xgboost-{DIGEST}.journal" for name in ("run-1", "run-22", "run-3")]


def test_what_is_new_or_recent_is_kept(store: Path, in_use: MlflowClient, capsys: Any) -> None:
    assert main(["prune", "--store", str(store), "--yes", "--keep-last", "3"]) == 0
    assert main(["prune", "--store", str(store), "--yes", "--keep-last", "0", "--keep-days", "inf"]) == 0
    assert len(left(store)) == 4


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--keep-last", "-1", "-1 is not a number of run folders, 0 or more"),
        ("--keep-days", "soon", "soon is not a number of days, 0 or more"),
    ],
)
def test_a_wrong_number_is_refused(flag: str, value: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["prune", flag, value])
    assert said in capsys.readouterr().err


def test_a_version_without_a_record_stops_everything(
    store: Path, in_use: MlflowClient, register: Any, caplog: pytest.LogCaptureFixture
) -> None:
    in_use.delete_model_version_tag(MODEL, "1", RUN_FOLDER_TAG)
    assert prune(store, "--yes") == 2
    assert "churn-predictor version 1 (production) has no tag trainer.run_folder" in caplog.text
    assert len(left(store)) == 4


def test_a_foreign_model_does_not_stop_it(store: Path, in_use: MlflowClient, register: Any) -> None:
    register(model="bikes", tags={})
    assert prune(store, "--yes") == 0  # it has no alias
    assert left(store) == ["churn/run-1", "churn/run-3"]
    in_use.set_registered_model_alias("bikes", PRODUCTION, "1")
    assert prune(store, "--yes") == 2
    assert prune(store, "--yes", "--foreign", "bikes") == 0


def test_a_registry_that_does_not_answer_stops_everything(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the discard port
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert prune(store, "--yes") == 1
    assert "MLflow cannot be asked" in caplog.text
    assert len(left(store)) == 4


def test_an_alias_that_is_set_meanwhile_saves_the_run(
    store: Path, in_use: MlflowClient, register: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """After the listing, and before anything is removed, run-2's version becomes staging."""
    version = register("run-2")
    listing = command._list

    def list_and_promote(*arguments: Any) -> None:
        listing(*arguments)
        in_use.set_registered_model_alias(MODEL, "staging", version)

    monkeypatch.setattr(command, "_list", list_and_promote)
    assert prune(store, "--yes") == 0
    assert left(store) == ["churn/run-1", "churn/run-2", "churn/run-3"]
    assert "kept after all  churn/run-2: churn-predictor version 3 (staging) came from it" in capsys.readouterr().out


def test_versions_of_a_running_experiment_and_of_a_router_keep_their_folders(
    store: Path, client: MlflowClient, register: Any, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {key: register(key) for key in ("run-1", "run-2", "run-3")}
    record = RecordedExperiment(
        name="plans",
        version_a=versions["run-1"],
        version_b=versions["run-2"],
        traffic_split=0.5,
        started_at="2026",
        by="me",
    )
    record_experiment(client, MODEL, record)
    served = ServingState(model=MODEL, versions=(ServedVersion(version=versions["run-3"], digest=DIGEST),))
    write(tmp_path / "serving" / MODEL, STATE_FILE, served)
    monkeypatch.setenv("TRAINER_SERVING", f"local://{tmp_path}/serving")
    assert prune(store) == 0
    listed = capsys.readouterr().out
    for key in ("run-1", "run-2"):
        assert (
            f"churn/{key}  churn-predictor version {versions[key]} (the experiment plans runs) came from it" in listed
        )
    assert f"churn/run-3  churn-predictor version {versions['run-3']} (its router serves it) came from it" in listed
    record_experiment(client, MODEL, record.model_copy(update={"ended_at": "2027"}))
    assert prune(store, "--yes") == 0
    assert left(store) == ["churn/run-3"]
    (tmp_path / "serving" / MODEL / STATE_FILE).write_text("[")
    assert prune(store, "--yes") == 2
    assert left(store) == ["churn/run-3"]
