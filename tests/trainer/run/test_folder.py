"""The run folder's contract, on a local file system and on S3."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trainer.errors import ConfigurationError, StepNotDoneError
from trainer.run import RunFolder
from trainer.run.records import Failure, RegisterResult, ReportResult

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline

RESULT = RegisterResult(model="churn", version="3", created=True)
FAILURE = Failure(step="register", error="ModelRefusedError", message="no", exit_code=4)


@pytest.fixture(params=["file", "s3"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    """A run folder that does not exist yet."""
    if request.param == "file":
        return RunFolder.open(f"file://{tmp_path}/runs/churn/key-1")
    bucket = request.getfixturevalue("s3_bucket")
    return RunFolder.open(f"s3://{bucket}/runs/churn/key-1")


def files(run: RunFolder) -> list[str]:
    """All files of the run, relative to its folder."""
    return sorted(str(path).removeprefix(f"{run.root}/") for path in run.filesystem.find(run.root))


def test_new_folders_are_this_users_alone(tmp_path: Path) -> None:
    RunFolder.open(f"{tmp_path}/runs/churn/key-1").at("ingest").write_text("rows.txt", "anna")
    folders = [path for path in (tmp_path / "runs").rglob("*") if path.is_dir()]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "runs", *folders)} == {0o700}


def test_addresses(run: RunFolder) -> None:
    tune = run.at("tune", "xgboost")
    assert run.key == "key-1"
    assert (run.label, run.at("ingest").label, tune.label) == ("", "ingest", "tune xgboost")
    assert run.path() == run.root
    assert tune.path("a.json") == f"{run.root}/tune/xgboost/a.json"
    assert tune.uri_of("a.json") == f"{run.uri}/tune/xgboost/a.json"
    assert tune.at("").uri_of() == run.uri
    worker = run.at("tune_worker", "xgboost", 2)
    assert worker.label == "tune_worker xgboost 2"
    assert worker.path("a.json") == f"{run.root}/tune_worker/xgboost/2/a.json"
    assert worker.uri_of("a.json") == f"{run.uri}/tune_worker/xgboost/2/a.json"
    assert worker.at("tune", "xgboost") == tune
    assert run.is_local == run.uri.startswith("file://")


def test_a_slash_at_the_end_changes_nothing(run: RunFolder) -> None:
    assert RunFolder.open(f"{run.uri}/") == RunFolder.open(run.uri)
    assert RunFolder.open(f"{run.uri}/").key == run.key


def test_written_texts_are_read_back(run: RunFolder) -> None:
    step = run.at("ingest")
    assert step.write_text("note.txt", "café\n") == f"{run.uri}/ingest/note.txt"
    assert step.read_text("note.txt") == "café\n"
    step.write_text("note.txt", "new")
    assert step.read_text("note.txt") == "new"
    assert files(run) == ["ingest/note.txt"]


def test_json_has_no_nan(run: RunFolder) -> None:
    step = run.at("evaluate")
    step.write_json("figures.json", {"a": 1.5, "path": Path("/x")})
    assert json.loads(step.read_text("figures.json")) == {"a": 1.5, "path": "/x"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        step.write_json("figures.json", {"a": float("nan")})
    assert json.loads(step.read_text("figures.json"))["a"] == 1.5


def test_a_staged_file_appears_when_its_block_ends(run: RunFolder) -> None:
    step = run.at("ingest")
    with step.staged("snapshot.parquet") as file:
        file.write_bytes(b"rows")
        assert "ingest/snapshot.parquet" not in files(run)
        assert file.suffix == ".parquet"
    assert files(run) == ["ingest/snapshot.parquet"]
    assert not file.exists()


def test_a_staged_file_does_not_appear_after_an_error(run: RunFolder) -> None:
    step = run.at("ingest")
    step.write_text("snapshot.parquet", "old")

    def fail_half_way() -> None:
        with step.staged("snapshot.parquet") as file:
            file.write_text("half")
            raise RuntimeError("out of disk")

    with pytest.raises(RuntimeError, match="out of disk"):
        fail_half_way()
    assert step.read_text("snapshot.parquet") == "old"
    assert files(run) == ["ingest/snapshot.parquet"]


def test_local_gives_a_file_to_read(run: RunFolder) -> None:
    step = run.at("ingest")
    step.write_text("deep/snapshot.csv", "a,b\n")
    with step.local("deep/snapshot.csv") as file:
        assert file.name == "snapshot.csv"
        assert file.read_text() == "a,b\n"
    assert file.exists() == run.is_local
    assert files(run) == ["ingest/deep/snapshot.csv"]


def test_a_file_that_is_not_there_is_not_found(run: RunFolder) -> None:
    with pytest.raises(FileNotFoundError):
        run.at("ingest").read_text("absent.txt")
    with pytest.raises(FileNotFoundError), run.at("ingest").local("absent.txt") as file:
        file.read_text()


def test_a_step_is_done_once_its_result_is_there(run: RunFolder) -> None:
    step = run.at("register")
    assert step.result_or_none(RegisterResult) is None
    step.begin()
    step.write_text("output.txt", "half")
    with pytest.raises(StepNotDoneError, match=r"step 'register' is not done: .*/register/result\.json does not exist"):
        step.result(RegisterResult)
    step.finish(RESULT)
    assert step.result(RegisterResult) == RESULT


def test_a_step_is_not_done_by_another_algorithms_result(run: RunFolder) -> None:
    run.at("train", "xgboost").finish(RESULT)
    with pytest.raises(StepNotDoneError, match="step 'train lightgbm' is not done"):
        run.at("train", "lightgbm").result(RegisterResult)


def test_a_result_of_another_kind_is_refused(run: RunFolder) -> None:
    run.at("register").finish(RESULT)
    with pytest.raises(ValueError, match="ReportResult"):
        run.at("register").result(ReportResult)


def test_begin_makes_the_step_undone_and_keeps_its_state(run: RunFolder) -> None:
    step = run.at("train", "forest")
    step.write_text("model.bin", "old")
    step.write_text("deep/er/table.txt", "old")
    step.write_text("state/checkpoint.bin", "epoch 3")
    step.finish(RESULT)
    step.begin()
    assert files(run) == ["train/forest/state/checkpoint.bin"]
    assert step.result_or_none(RegisterResult) is None


def test_begin_leaves_other_steps_alone(run: RunFolder) -> None:
    others = [run.at("train", "forest_2"), run.at("train_more"), run.at("tune", "forest"), run.at("")]
    for other in others:
        other.write_text("kept.txt", "kept")
    run.at("train", "forest").finish(RESULT)
    before = files(run)
    run.at("train", "forest").begin()
    assert files(run) == [name for name in before if not name.startswith("train/forest/")]


def test_begin_removes_the_result_before_all_else(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    step = run.at("register")
    step.write_text("a-comes-before-the-result.txt", "old")
    step.finish(RESULT)
    removed: list[str] = []
    remove = run.filesystem.rm_file

    def note(path: str) -> None:
        remove(path)
        removed.append(path.rsplit("/", 1)[-1])

    monkeypatch.setattr(run.filesystem, "rm_file", note)
    step.begin()
    assert removed[0] == "result.json"
    assert removed[-1] == "a-comes-before-the-result.txt"


def test_begin_where_nothing_is_yet(run: RunFolder) -> None:
    run.at("start").begin()
    assert files(run) == []


def test_a_failure_is_kept_until_the_step_starts_again_or_is_done(run: RunFolder) -> None:
    step = run.at("register")
    assert step.failure() is None
    step.fail(FAILURE)
    assert step.failure() == FAILURE
    step.begin()
    assert step.failure() is None
    step.fail(FAILURE)
    step.finish(RESULT)
    assert step.failure() is None
    assert files(run) == ["register/result.json"]


def test_the_pipeline_is_the_runs_own(run: RunFolder, churn: Pipeline) -> None:
    with pytest.raises(StepNotDoneError, match=r"/key-1/pipeline\.yaml does not exist: the step `start` writes it"):
        run.at("tune", "xgboost").pipeline()
    frozen = churn.for_run({"trials": 3})
    run.write_text("pipeline.yaml", frozen.to_yaml())
    assert run.at("tune", "xgboost").pipeline() == frozen


def test_a_broken_pipeline_file_is_named(run: RunFolder) -> None:
    run.write_text("pipeline.yaml", "name: 3")
    with pytest.raises(ConfigurationError, match=rf"^{run.uri}/pipeline\.yaml: name: "):
        run.pipeline()


def write_elsewhere(run: RunFolder, name: str, text: str) -> None:
    """Write a file from another process."""
    code = "import sys; from trainer.run import RunFolder; RunFolder.open(sys.argv[1]).write_text(*sys.argv[2:])"
    subprocess.run([sys.executable, "-c", code, run.uri, name, text], check=True)


def test_what_another_process_wrote_is_seen_at_once(run: RunFolder) -> None:
    step = run.at("register")
    assert step.result_or_none(RegisterResult) is None
    step.write_text("seen.txt", "so that the folder has been listed once")
    step.begin()
    write_elsewhere(run, "register/result.json", RESULT.model_dump_json())
    assert step.result(RegisterResult) == RESULT
    write_elsewhere(run, "register/output.txt", "by another process")
    step.begin()
    assert files(run) == []


def test_what_a_killed_process_was_writing_is_never_read_and_is_removed(tmp_path: Path) -> None:
    """Local only: on S3 an upload that did not end leaves nothing."""
    run = RunFolder.open(str(tmp_path / "runs/churn/key-1"))
    code = f"""
        import os, signal
        from trainer.run import RunFolder
        with RunFolder.open({run.uri!r}).at("train", "forest").staged("model.bin") as file:
            file.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert killed.returncode == -signal.SIGKILL
    step = run.at("train", "forest")
    assert len(files(run)) == 1
    with pytest.raises(FileNotFoundError):
        step.read_text("model.bin")
    step.begin()
    assert [*Path(step.path()).iterdir()] == []


def test_a_plain_path_is_a_local_folder(tmp_path: Path) -> None:
    run = RunFolder.open(str(tmp_path / "churn/key-1"))
    assert run.is_local
    assert run.at("ingest").write_text("a", "b") == f"{tmp_path}/churn/key-1/ingest/a"


def test_a_given_filesystem_is_used() -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    run = RunFolder.open("s3://bucket/churn/key-1", memory)
    assert run.at("ingest").write_text("a", "b") == "s3://bucket/churn/key-1/ingest/a"
    assert memory.cat_file("bucket/churn/key-1/ingest/a") == b"b"


def test_an_unknown_protocol_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="run folder 'flop://a/b': Protocol not known: flop"):
        RunFolder.open("flop://a/b")


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert RunFolder.open("runs/churn/one/").uri == f"{tmp_path.resolve()}/runs/churn/one"


def test_what_a_killed_start_was_staging_for_the_run_goes_as_well(tmp_path: Path) -> None:
    run = RunFolder.open(str(tmp_path / "churn/key-1"))
    other = Path(run.at("train", "xgboost").path()) / ".tmp-other"
    for scratch in (Path(run.root) / ".tmp-killed", other):
        scratch.mkdir(parents=True)
        (scratch / "pipeline.yaml").write_text("name: ch")
    run.at("start").begin()
    assert not (Path(run.root) / ".tmp-killed").exists()
    assert other.exists()  # another step's own, which may be at work


def test_a_step_that_is_left_out_keeps_why_and_that_it_failed_before_no_longer_counts(run: RunFolder) -> None:
    step = run.at("register")
    assert step.left_out() == ""
    step.fail(FAILURE)
    step.leave_out("nobody asked for it")
    assert (step.left_out(), step.failure()) == ("nobody asked for it", None)
    step.begin()
    assert step.left_out() == ""
