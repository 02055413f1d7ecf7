"""What the world does to a run: a step ends in bounded time, says what and where, and nothing moves."""

from __future__ import annotations

import contextlib
import html
import json
import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from include.alerts import on_run_failure, on_run_success
from include.settings import load_settings
from tests.faults.world.servers import BROKEN, DENIED, FULL, SILENT, Answer, Proxy, mlflow_server
from tests.faults.world.worlds import ALGORITHM, KEY, RUN_ID, World, quick_churn, standing_in
from trainer.errors import DataValidationError, ModelRefusedError, OutageError, PromotionConflictError
from trainer.run import RunFolder
from trainer.run.results import IngestResult, RegisterResult, StartResult
from trainer.run.summary import build_summary

if TYPE_CHECKING:
    from tests.faults.world.worlds import Stage

NOBODY = 9
"""A port that nothing listens on."""
CONTEXT: Any = {"dag": SimpleNamespace(dag_id="churn_training"), "run_id": RUN_ID, "reason": "task_failure"}
BEFORE = {
    "start": "ingest", "detect_drift": "decide", "train": "tune", "evaluate": "decide", "register": "decide",
    "accept": "register", "promote": "accept", "report": "accept",
}  # fmt: skip
"""Every step that uses MLflow, and the stage of a run that it is tried in."""


@pytest.fixture(autouse=True)
def quick_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest waits that MLflow's client knows."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


@pytest.fixture
def mail(airflow_home: Path, mailbox: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Sends the failure mail as the DAG does, over a real server; returns its text."""
    connect_mail(mailbox.port, monkeypatch)

    def send() -> str:
        on_run_failure(CONTEXT)
        (message,) = mailbox.messages
        assert message["Subject"].startswith("Training Pipeline - Failure: churn")
        return " ".join(html.unescape(message.get_body(("html",)).get_content()).split())

    return send


def connect_mail(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"disable_ssl": True, "disable_tls": True, "retry_limit": 1, "timeout": 1}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))


@contextlib.contextmanager
def nothing_moves(world: World) -> Iterator[None]:
    before = world.versions(), world.aliases()
    yield
    assert (world.versions(), world.aliases()) == before
    assert world.litter() == []


def algorithm_of(step: str) -> str:
    return ALGORITHM if step == "train" else ""


def fails(world: World, step: str, error: type[Exception], message: str, folder: RunFolder | None = None) -> str:
    """Run a step that must fail so, without a result and with a record; returns what it said."""
    own = (folder or world.folder).at(step, algorithm_of(step))
    with nothing_moves(world), pytest.raises(error, match=message) as raised:
        world.step(step, algorithm_of(step), folder)
    failure = own.failure()
    assert failure is not None
    assert (failure.error, failure.exit_code) == (error.__name__, raised.value.exit_code)  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError):
        own.read_text("result.json")
    return str(raised.value)


@pytest.mark.parametrize("fault", ["unreachable", "500"])
@pytest.mark.parametrize("step", BEFORE)
def test_mlflow_that_cannot_be_used_is_named(
    step: str, fault: str, world_after: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_after(BEFORE[step])
    with Proxy(rule=lambda _method, _path: BROKEN) as proxy:
        port = NOBODY if fault == "unreachable" else proxy.port
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:secret@127.0.0.1:{port}")
        what = "is not reachable: Connection refused" if fault == "unreachable" else "answers 500, an error of its own"
        said = fails(world, step, OutageError, f"MLflow at http://127.0.0.1:{port} {what}")
    assert "secret" not in said
    assert "clear the task" in said


def test_mlflow_that_never_answers_is_given_up(
    world_after: Stage, monkeypatch: pytest.MonkeyPatch, mail: Callable[[], str]
) -> None:
    world = world_after("accept")
    with Proxy(rule=lambda _method, _path: SILENT) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.address)
        said = fails(world, "promote", OutageError, f"MLflow at {proxy.address} did not answer in time")
        assert 2 <= len(proxy.seen) <= 3
    assert f"promote: OutageError: {said}" in mail()


@pytest.fixture(scope="module")
def server(stages: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A real MLflow server over the world of a run that has been decided."""
    home = tmp_path_factory.mktemp("served")
    world = stages("decide").copy_to(home)
    with mlflow_server(world, home / "server.log") as address:
        yield world, address


@pytest.fixture
def served(server: tuple[World, str], request: pytest.FixtureRequest) -> Iterator[tuple[World, RunFolder, Proxy]]:
    """The world, a run of this test's own in it, and a proxy before its MLflow server."""
    world, address = server
    run = world.at(f"run-{abs(hash(request.node.nodeid))}")
    shutil.copytree(world.folder.root, run.root)
    with Proxy(address) as proxy, standing_in(World(world.home, {"MLFLOW_TRACKING_URI": proxy.address})):
        yield world, run, proxy


def test_a_server_that_goes_down_between_steps_costs_a_retry(served: tuple[World, RunFolder, Proxy]) -> None:
    world, run, proxy = served
    proxy.rule = lambda _method, path: Answer(503) if "model-versions/create" in path else None
    fails(world, "register", OutageError, f"MLflow at {proxy.address} answers 503", run)
    before = world.versions()
    proxy.rule = lambda _method, _path: None
    world.step("register", folder=run)
    assert world.versions() == [*before, run.at("register").result(RegisterResult).version]


def test_an_answer_that_comes_too_late_makes_no_second_version(
    served: tuple[World, RunFolder, Proxy], caplog: pytest.LogCaptureFixture
) -> None:
    world, run, proxy = served
    before = world.versions()

    def late(_method: str, path: str) -> Answer | None:
        first = "model-versions/create" in path and sum("model-versions/create" in seen for seen in proxy.seen) == 1
        return SILENT if first else None

    proxy.rule = late
    with caplog.at_level(logging.WARNING, logger="trainer"):
        world.step("register", folder=run)
    registered = run.at("register").result(RegisterResult).version
    assert world.versions() == [*before, registered]
    assert f"repeats version {registered}: deleted" in caplog.text


# --- stores ---


@pytest.fixture(scope="module")
def before_s3(s3_endpoint: str) -> Iterator[Proxy]:
    """A proxy before the object store."""
    import boto3

    boto3.client(
        "s3", endpoint_url=s3_endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="p"
    ).create_bucket(Bucket="ml-staging")
    with Proxy(s3_endpoint) as proxy:
        yield proxy


@pytest.fixture
def in_s3(
    world_after: Stage, before_s3: Proxy, s3_bucket: str, fresh_stores: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[World, RunFolder, Proxy]]:
    """A started run whose folder is in an object store, behind a proxy."""
    import fsspec

    world, proxy = world_after("decide"), before_s3
    proxy.rule = lambda _method, _path: None
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
    extra = {"endpoint_url": proxy.address, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "k", "password": "p", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("PIPELINES_ENVIRONMENT", "staging")
    load_settings.cache_clear()
    fsspec.filesystem("s3").clear_instance_cache()
    run = RunFolder.open(f"s3://ml-staging/runs/churn/{KEY}")
    run.at("").write_text("pipeline.yaml", world.folder.at("").read_text("pipeline.yaml"))
    run.at("start").write_text("result.json", world.folder.at("start").read_text("result.json"))
    yield world, run, proxy
    proxy.rule = lambda _method, _path: None
    run.filesystem.rm(f"ml-staging/runs/churn/{KEY}", recursive=True)


@pytest.mark.parametrize(
    ("answer", "message"),
    [(DENIED, "may not be written or read"), (FULL, "the store of s3://ml-staging/.* failed .*507")],
    ids=["read-only", "full"],
)
def test_a_store_that_takes_nothing_fails_the_step_and_not_the_mail(
    answer: Answer, message: str, in_s3: tuple[World, RunFolder, Proxy], mail: Callable[[], str]
) -> None:
    world, run, proxy = in_s3
    proxy.rule = lambda method, _path: answer if method in {"PUT", "POST", "DELETE"} else None
    with pytest.raises(OutageError, match=message) as raised:
        world.step("ingest", folder=run)
    assert raised.value.exit_code == 1
    assert run.at("ingest").result_or_none(IngestResult) is None
    assert run.filesystem.find(run.at("ingest").path()) == []
    assert run.uri in mail()  # nothing could be kept in the run folder, and the mail came all the same


def test_a_store_that_cannot_be_read_does_not_keep_the_mail_back(
    in_s3: tuple[World, RunFolder, Proxy], mail: Callable[[], str]
) -> None:
    _, _, proxy = in_s3
    proxy.rule = lambda _method, _path: DENIED
    assert "the run folder cannot be read (PermissionError" in mail()


def test_a_full_disk_leaves_nothing_half_written(world_after: Stage, mail: Callable[[], str]) -> None:
    world = world_after("start")
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "step", "ingest", "--run", world.folder.uri],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ERROR trainer: OutageError: no space is left to write to" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    folder = world.folder.at("ingest")
    assert sorted(path.name for path in Path(folder.path()).iterdir()) == ["failure.json"]
    assert "no space is left to write to" in mail()


def test_a_locked_database_of_studies_is_waited_for_and_then_said(
    world_after: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_after("engineer_features")
    file = world.home / "studies.db"
    monkeypatch.setenv("TRAINER_STUDY_STORAGE", f"sqlite:///{file}?timeout=0.2")
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(OutageError, match="a database is locked by another process"):
        world.step("tune", ALGORITHM)
    holder.execute("COMMIT")
    holder.close()
    world.step("tune", ALGORITHM)


# --- the clock ---


def test_a_clock_that_goes_back_gives_no_negative_time(world_after: Stage, caplog: pytest.LogCaptureFixture) -> None:
    world = world_after("ingest")
    start = world.folder.at("start").result(StartResult)
    ahead = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    world.folder.at("start").finish(start.model_copy(update={"started_at": ahead, "finished_at": ahead}))
    summary = build_summary(world.folder)
    assert (summary.wall_seconds, summary.overhead_share) == (0.0, 0.0)
    assert all(seconds >= 0 for seconds in summary.seconds.values())


def test_data_from_ahead_of_the_clock_is_new_and_said(world_after: Stage, caplog: pytest.LogCaptureFixture) -> None:
    world = world_after("start")
    rows = world.home / "rows.csv"
    rows.write_text("customer_id,churn,seen\n1,Yes,2999-01-01\n2,No,2026-01-01\n")
    os.utime(rows, (4e9, 4e9))
    columns = {"id": "customer_id", "target": "churn", "positive": "Yes", "time": "seen"}
    document = {
        **quick_churn().model_dump(mode="json"), "columns": columns, "features": {},
        "source": {"KIND": "csv", "uri": str(rows), "types": {"seen": "date"}},
    }  # fmt: skip
    world.folder.at("").write_json("pipeline.yaml", document)
    with caplog.at_level(logging.WARNING, logger="trainer"):
        world.step("ingest")
    result = world.folder.at("ingest").result(IngestResult)
    assert (result.age_days, result.newest_row_age_days) == (0.0, 0.0)
    assert "the source was changed" in caplog.text
    assert "the newest row is" in caplog.text


# --- production ---


def test_production_that_somebody_moved_after_evaluation_stays(world_after: Stage, mail: Callable[[], str]) -> None:
    world = world_after("accept")
    source = world.client.get_model_version(world.model, "1").source
    other = world.client.create_model_version(world.model, source)
    world.client.set_registered_model_alias(world.model, "production", other.version)
    said = fails(world, "promote", PromotionConflictError, "compared with version 1, and now production is version 3")
    assert world.aliases() == {"production": "3"}
    assert f"promote: PromotionConflictError: {said}" in mail()


@pytest.mark.parametrize(
    ("moment", "production"), [("staging", "1"), ("previous_production", "1"), ("production", "3")]
)
def test_production_that_somebody_moves_in_the_same_moment_is_seen(
    moment: str, production: str, world_after: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody moves it to version 3 right after one of our own moves."""
    from mlflow import MlflowClient

    world = world_after("accept")
    other = world.client.create_model_version(world.model, world.client.get_model_version(world.model, "1").source)
    original = MlflowClient.set_registered_model_alias

    def beside(self: Any, name: str, alias: str, version: str) -> None:
        original(self, name, alias, version)
        if alias == moment:
            original(self, name, "production", other.version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", beside)
    with pytest.raises(PromotionConflictError, match="now .* is version 3"):
        world.step("promote")
    assert world.aliases()["production"] == str(other.version) == "3"
    assert world.aliases()["previous_production"] == "1"


@pytest.mark.parametrize("how", ["gone", "corrupted"])
def test_production_that_cannot_be_loaded_refuses_the_run(
    how: str, world_after: Stage, mail: Callable[[], str], tmp_path: Path
) -> None:
    world = world_after("decide")
    model = Path(world.client.get_model_version_download_uri(world.model, "1").removeprefix("file://"))
    copy = shutil.copytree(model, tmp_path / "model")
    if how == "gone":
        shutil.rmtree(copy)
    else:
        next(copy.rglob("*.pickle")).write_bytes(b"no pickle")
    version = world.client.create_model_version(world.model, f"file://{copy}", tags=tags_of(world, "1"))
    world.client.set_registered_model_alias(world.model, "production", version.version)
    fails(world, "evaluate", ModelRefusedError, "cannot be loaded or does not predict")
    assert "This is production's model: nothing can be compared with it, so nothing is promoted." in mail()


def tags_of(world: World, version: str) -> dict[str, str]:
    return dict(world.client.get_model_version(world.model, version).tags)


@pytest.mark.parametrize(
    ("tag", "step", "change", "message"),
    [
        ("data.snapshot", "detect_drift", Path.unlink, "drift reference of production's version 1"),
        ("data.snapshot", "detect_drift", lambda file: file.write_bytes(b"other"), "is not the file that it was trained on"),
        ("data.keys", "evaluate", Path.unlink, "the rows that production version 1 was trained on cannot be read"),
        ("data.keys", "evaluate", lambda file: file.write_bytes(b"other"), "production version 1 was trained on cannot be"),
    ],
    ids=["snapshot gone", "snapshot changed", "keys gone", "keys changed"],
)  # fmt: skip
def test_production_without_its_data_refuses_the_run(
    tag: str, step: str, change: Callable[[Path], Any], message: str, world_after: Stage, mail: Callable[[], str]
) -> None:
    world = world_after("decide")
    copy = world.home / "copy.parquet"
    shutil.copy(tags_of(world, "1")[tag].removeprefix("file://"), copy)
    world.client.set_model_version_tag(world.model, "1", tag, f"file://{copy}")
    change(copy)
    said = fails(world, step, DataValidationError, message)
    assert f"{step}: DataValidationError: {' '.join(said.split())}" in mail()


# --- mail ---


def test_a_mail_server_that_says_nothing_does_not_turn_a_run_red(
    world_after: Stage, airflow_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import socket

    world = world_after("accept")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connect_mail(silent.getsockname()[1], monkeypatch)
        assert on_run_success(world.folder.uri).startswith("not sent: ")
    assert "was not sent" in caplog.text
