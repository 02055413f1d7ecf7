"""`trainer checkout`: what it clones for which step, and where its errors are kept."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import changed
from tests.git_world import GitServer, Repository, serving
from trainer.__main__ import main
from trainer.errors import ConfigurationError
from trainer.own_code.clone import commit_in
from trainer.own_code.required import with_code
from trainer.pipeline import Pipeline
from trainer.run import RunFolder

PASSWORD = "planted-git-pass"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "served" / "models", {"lib/my_models.py": "x = 1\n"})


@pytest.fixture
def pipeline(churn: Pipeline, repository: Repository) -> Pipeline:
    return changed(churn, code={"repository": repository.address, "path": "lib"})


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.open(str(tmp_path / "runs" / "run-1"))


@pytest.fixture(autouse=True)
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for the code; nothing else of a step's environment is set, and logging stays as pytest has it."""
    monkeypatch.setattr("trainer.process.logs.set_up", lambda _: None)
    for name in ("MLFLOW_TRACKING_URI", "TRAINER_PIPELINE", "TRAINER_LOG_FORMAT", "GIT_USERNAME", "GIT_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAINER_CODE", str(tmp_path / "code"))
    return tmp_path / "code"


def checkout(run: RunFolder, *arguments: str) -> int:
    return main(["checkout", "--run", run.uri, *arguments])


def failure_of(folder: RunFolder) -> tuple[str, int]:
    failure = folder.failure()
    assert failure is not None
    return failure.message, failure.exit_code


def test_start_resolves_the_ref_of_the_pipeline_given(
    run: RunFolder, pipeline: Pipeline, repository: Repository, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_PIPELINE", pipeline.to_yaml())
    assert checkout(run, "--step", "start") == 0
    assert commit_in(target) == repository.head
    assert run.at("start").failure() is None


def test_a_file_and_a_folder_may_be_named(
    run: RunFolder, pipeline: Pipeline, repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "churn.yaml").write_text(pipeline.to_yaml())
    arguments = ["--pipeline", str(tmp_path / "churn.yaml"), "--to", str(tmp_path / "elsewhere")]
    assert checkout(run, "--step", "start", *arguments) == 0
    assert commit_in(tmp_path / "elsewhere") == repository.head


def test_later_steps_get_the_frozen_commit(
    run: RunFolder, pipeline: Pipeline, repository: Repository, target: Path
) -> None:
    old = repository.head
    repository.commit({"lib/my_models.py": "x = 2\n"})
    run.write_text("pipeline.yaml", changed(pipeline, code={**_code(pipeline), "commit": old}).to_yaml())
    assert checkout(run, "--step", "tune", "--algorithm", "xgboost") == 0
    assert commit_in(target) == old
    assert (target / "lib/my_models.py").read_text() == "x = 1\n"


def _code(pipeline: Pipeline) -> dict[str, Any]:
    assert pipeline.code is not None
    return pipeline.code.model_dump(mode="json")


@pytest.mark.parametrize(
    ("arguments", "part", "code", "expected"),
    [
        pytest.param(["--step", "start"], "start", {"ref": "mian"}, "did you mean 'main'?", id="ref"),
        pytest.param(["--step", "start"], "start", {"path": "src"}, "no folder 'src'", id="path"),
        pytest.param(["--step", "start"], "start", None, "has no `code`", id="no-code"),
        pytest.param(
            ["--step", "train", "--algorithm", "xgboost"], "train/xgboost", {"commit": "f" * 40}, "has no commit", id="train"
        ),
        pytest.param(
            ["--step", "tune_worker", "--algorithm", "xgboost", "--worker", "2"], "tune_worker/xgboost/2", {"commit": "f" * 40},
            "has no commit", id="worker",
        ),
    ],
)  # fmt: skip
def test_errors_are_kept_with_the_step_that_they_are_of(
    run: RunFolder, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, arguments: list[str], part: str,
    code: dict[str, Any] | None, expected: str,
) -> None:  # fmt: skip
    given = changed(pipeline, code=None if code is None else {**_code(pipeline), **code})
    monkeypatch.setenv("TRAINER_PIPELINE", given.to_yaml())
    run.write_text("pipeline.yaml", given.to_yaml())
    assert checkout(run, *arguments) == ConfigurationError.exit_code
    message, exit_code = failure_of(run.at(part))
    assert expected in message
    assert exit_code == 2


def test_without_a_folder_it_is_said_how_to_name_one(
    run: RunFolder, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_PIPELINE", pipeline.to_yaml())
    monkeypatch.delenv("TRAINER_CODE")
    assert checkout(run, "--step", "start") == 2
    assert "name the folder for the code with --to, or set TRAINER_CODE" in failure_of(run.at("start"))[0]


def test_a_failure_of_one_try_makes_a_finished_step_undone(run: RunFolder, pipeline: Pipeline) -> None:
    run.write_text("pipeline.yaml", changed(pipeline, code={**_code(pipeline), "commit": "f" * 40}).to_yaml())
    run.at("ingest").write_text("result.json", "{}")
    assert checkout(run, "--step", "ingest") == 2
    assert not run.filesystem.exists(run.at("ingest").path("result.json"))


@pytest.mark.parametrize("fault", ["server", "password"])
def test_a_private_repository_tells_nobody_its_password(
    run: RunFolder, pipeline: Pipeline, repository: Repository, tmp_path: Path, fault: str,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("GIT_PASSWORD", PASSWORD)
    with serving(GitServer(repository.folder.parent, login=("anna", "another"))) as server:
        server.status = 502 if fault == "server" else None
        code = {**_code(pipeline), "repository": server.repository("models")}
        monkeypatch.setenv("TRAINER_PIPELINE", changed(pipeline, code=code).to_yaml())
        assert checkout(run, "--step", "start") == (1 if fault == "server" else 2)
    message, exit_code = failure_of(run.at("start"))
    assert ("502" in message, exit_code) == ((True, 1) if fault == "server" else (False, 2))
    said = capfd.readouterr()
    assert "code.repository" in caplog.text
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert PASSWORD not in said.out + said.err + caplog.text
    assert PASSWORD.encode() not in kept


def test_a_trainer_of_the_code_repository_is_allowed_and_told(
    pipeline: Pipeline, repository: Repository, target: Path, run: RunFolder,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    repository.commit({"lib/trainer/__init__.py": ""})
    monkeypatch.setenv("TRAINER_PIPELINE", pipeline.to_yaml())
    assert checkout(run, "--step", "start") == 0
    monkeypatch.syspath_prepend(target / "lib")
    monkeypatch.setattr("trainer.__file__", str(target / "lib/trainer/__init__.py"))
    with caplog.at_level(logging.INFO, logger="trainer"):
        ready = with_code(pipeline, freeze=True)
    assert ready.code is not None
    assert ready.code.commit == repository.head
    assert "the package `trainer` itself comes from the code repository" in caplog.text
    with pytest.raises(ConfigurationError, match="this run has frozen none; run the step `start` again"):
        with_code(pipeline)


def test_a_pipeline_without_code_needs_no_clone(churn: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINER_CODE")
    assert with_code(churn) is churn
