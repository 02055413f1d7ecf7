"""A step as an Airflow operator: real `trainer step` processes, ended in every way that they can end."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import fsspec
import psutil
import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from include.environment.settings import RUN_FOLDER_FILE, load_settings, step_environment
from include.operators.base import OUT_OF_TIME, StepFailedError, open_run
from include.operators.local import LocalStepOperator
from include.operators.step_servers import StepServers
from tests.warm import WarmServers
from trainer.environment import python_environment
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.process.forked import ForkServer
from trainer.process.servers import ISOLATED, isolated_environment
from trainer.run import RunFolder
from trainer.run.ownership import own
from trainer.run.records import Failure
from trainer.summary.summary import build_summary

SECONDS_TO_START = 60
SECONDS_TO_END = 20
CONTEXT: Any = {"run_id": "manual__1"}
ROWS = b"customer_id,churn\n1,Yes\n2,No\n"

# Python runs a module of this name at its start, and a fork server's processes begin with `run_module`: either notes a
# step's process and environment, and starts a child that would never end.
SITECUSTOMIZE = """
import json, os, pathlib, runpy, subprocess, sys
def note():
    if os.environ.get("TRAINER_STOP_WITH_PARENT"):
        child = subprocess.Popen(["sleep", "600"])
        note = {"processes": [os.getpid(), child.pid], "environment": {**os.environ}}
        pathlib.Path(os.environ["NOTE_PROCESSES_IN"]).write_text(json.dumps(note))
def run_module(*arguments, **options):
    note()
    return original(*arguments, **options)
original, runpy.run_module = runpy.run_module, run_module
if "fork_server" not in " ".join(sys.orig_argv): note()
"""

# An Airflow process of its own that runs one step and says how that ended; with the arguments of `airflow dags test`,
# from a fork server of its own.
PARENT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # below a shell that ignores Ctrl-C too, as for `make test &`
from trainer.process import servers
servers.STEPS = servers.SCORING = ("trainer.commands.step",)
from airflow.sdk.bases.operator import ExecutorSafeguard
from include.operators.local import LocalStepOperator
ExecutorSafeguard.test_mode = True
operator = LocalStepOperator(task_id="ingest", step="ingest", run=sys.argv[3])
try:
    operator.execute({"run_id": "manual__1"})
except BaseException as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(params=["interpreter", "forked"], autouse=True)
def way(request: pytest.FixtureRequest, warm: WarmServers, monkeypatch: pytest.MonkeyPatch) -> str:
    """The way a step is started: as an interpreter of its own, or forked from servers."""
    if request.param == "forked":
        monkeypatch.setattr("include.operators.local.step_servers", lambda: StepServers(warm.steps, warm.scoring))
    return str(request.param)


@pytest.fixture
def own_servers(way: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Servers that a test's environment reaches, launched when a step asks for them."""
    servers: list[StepServers] = []

    @functools.cache
    def step_servers() -> StepServers:
        addresses = step_environment(load_settings())
        scoring = ForkServer.launch([], isolated_environment(tempfile.gettempdir()), ISOLATED)
        steps = ForkServer.launch(["trainer.commands.step"], {**python_environment(), **addresses})
        servers.append(StepServers(steps, scoring))
        return servers[0]

    if way == "forked":
        monkeypatch.setattr("include.operators.local.step_servers", step_servers)
    yield
    for server in [one for pair in servers for one in (pair.steps, pair.scoring)]:
        server.close()
        server.wait(SECONDS_TO_END)


@pytest.fixture(autouse=True)
def outside_a_task_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)


def operator(step: str, run: RunFolder, **kwargs: Any) -> LocalStepOperator:
    return LocalStepOperator(task_id=step, step=step, run=run.uri, **kwargs)


@pytest.fixture
def run(home: Path) -> RunFolder:
    """A run folder with nothing in it."""
    return RunFolder.open(f"file://{home}/.runs/churn/manual__1-a1b2c3")


@pytest.fixture
def evaluated(
    run: RunFolder, small_churn: Pipeline, begin: Callable[..., RunFolder], evaluate: Callable[..., RunFolder]
) -> RunFolder:
    """A run whose next step is `decide`, the quickest one."""
    return evaluate(begin(run, small_churn), auc_roc=0.81)


def test_success_returns_the_result(evaluated: RunFolder) -> None:
    result = operator("decide", evaluated).execute(CONTEXT)
    assert (result["outcome"], result["winner"], result["compared_with"]) == ("promote", "logistic", "")
    assert result["seconds"] > 0
    assert evaluated.at("decide").failure() is None


def test_the_output_of_a_step_is_in_the_tasks_log(evaluated: RunFolder, capfd: pytest.CaptureFixture[str]) -> None:
    operator("decide", evaluated).execute(CONTEXT)
    assert "[info     ] trainer.decision.step: passed: auc_roc: 0.81 is at least 0.6" in capfd.readouterr().out


def test_a_json_record_keeps_its_level_and_an_others_secret_is_hidden(
    run: RunFolder, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    records = [{"level": level, "message": "line\nline"} for level in ("ERROR", "WARNING", "INFO")]
    lines = [*map(json.dumps, records), "{not JSON", '{"level": "no level"}', "said by printf: planted-secret"]
    (tmp_path / "program.py").write_text(f"print(*{lines!r}, sep=chr(10))")
    command = [sys.executable, str(tmp_path / "program.py")]
    assert operator("decide", run)._run_to_end(command, {"AWS_SECRET_ACCESS_KEY": "planted-secret"}) == 0
    shown = capfd.readouterr().out
    for level, line in zip(("error", "warning", "info", "info", "info"), lines, strict=False):
        assert f"[{level:<9}] {line}" in shown
    assert "said by printf: ***" in shown


def test_the_first_step_is_given_pipeline_parameters_and_run_id(
    run: RunFolder, small_churn: Pipeline, home: Path, empty_mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN_FOLDER_FILE, str(home / "folder"))
    (home / ".mlflow").mkdir()
    (home / ".mlflow" / "mlflow.db").write_bytes(empty_mlflow_store.read_bytes())
    start = operator("start", run, parameters='{"trials": 2, "note": "why"}', pipeline=small_churn.to_yaml())
    result = start.execute({"run_id": "scheduled__2026-01-04"})
    assert result["airflow_run_id"] == "scheduled__2026-01-04"
    assert result["sample"] is True
    frozen = run.pipeline()
    assert (frozen.tuning.trials, frozen.run.note, frozen.name) == (2, "why", "churn")
    assert (home / "folder").read_text() == run.uri


def test_a_folder_of_another_run_is_refused_and_left_as_it_is(evaluated: RunFolder) -> None:
    own(evaluated, "manual__1")
    before = evaluated.at("start").read_text("result.json")
    with pytest.raises(AirflowFailException, match="belongs to the Airflow run 'manual__1', not to 'manual__2'"):
        operator("start", evaluated).execute({"run_id": "manual__2"})
    assert evaluated.at("start").read_text("result.json") == before
    assert evaluated.at("start").failure() is None


def test_a_step_of_one_algorithm_has_its_own_folder(evaluated: RunFolder) -> None:
    tune = operator("tune", evaluated, algorithm="xgboost")
    assert tune.command[1:] == ["-m", "trainer", "step", "tune", "--run", evaluated.uri, "--algorithm", "xgboost"]
    with pytest.raises(AirflowFailException, match="tune xgboost: "):
        tune.execute(CONTEXT)
    failure = evaluated.at("tune", "xgboost").failure()
    assert failure is not None
    assert (failure.step, failure.algorithm, failure.exit_code) == ("tune", "xgboost", 2)


WRONG_START = [
    ("start", {"parameters": '{"trails": 5}'}, "did you mean 'trials'"),
    ("start", {"parameters": '{"trials": 0}'}, "trials"),
    ("start", {"parameters": "{"}, "is no JSON"),
    ("tune", {"algorithm": "xgboost"}, r"must be one of \['logistic'\], not 'xgboost'"),
]


@pytest.mark.parametrize(
    ("step", "arguments", "message"), WRONG_START, ids=["unknown parameter", "wrong value", "no JSON", "algorithm"]
)
def test_what_is_wrong_before_the_step_begins_is_said_too(
    step: str, arguments: dict[str, str], message: str, evaluated: RunFolder, small_churn: Pipeline
) -> None:
    with pytest.raises(AirflowFailException, match=message):
        operator(step, evaluated, pipeline=small_churn.to_yaml(), **arguments).execute(CONTEXT)


def test_the_reason_of_an_earlier_try_is_not_given_for_a_later_one(evaluated: RunFolder) -> None:
    earlier = Failure(step="tune", algorithm="xgboost", error="ModelTrainingError", message="an old story", exit_code=1)
    evaluated.at("tune", "xgboost").fail(earlier)
    with pytest.raises(AirflowFailException) as raised:
        operator("tune", evaluated, algorithm="xgboost").execute(CONTEXT)
    assert "an old story" not in str(raised.value)


def nothing(_run: RunFolder) -> None:
    pass


def no_evaluation(run: RunFolder) -> None:
    Path(run.at("evaluate").path("result.json")).unlink()


def no_data(run: RunFolder) -> None:
    run.write_text("pipeline.yaml", with_source(run.pipeline(), f"{run.root}/absent.csv").to_yaml())


def with_source(pipeline: Pipeline, uri: str) -> Pipeline:
    return pipeline_of({**pipeline.model_dump(mode="json"), "source": {"KIND": "csv", "uri": uri}})


@pytest.mark.parametrize(
    ("step", "prepare", "auc_roc", "message"),
    [
        ("decide", no_evaluation, 0.81, r"decide: StepNotDoneError: step 'evaluate' is not done.*configuration: no retry"),
        ("ingest", no_data, 0.81, r"ingest: DataValidationError: .*absent\.csv: there is no such file.*data refused: no"),
        ("decide", nothing, 0.41, r"decide: ModelRefusedError: .*0\.41 is below the limit 0\.6.*model refused: no retry"),
    ],
    ids=["exit 2", "exit 3", "exit 4"],
)  # fmt: skip
def test_what_no_retry_can_change_fails_the_task_for_good_and_says_why(
    step: str,
    prepare: Callable[[RunFolder], None],
    auc_roc: float,
    message: str,
    evaluated: RunFolder,
    evaluate: Callable[..., RunFolder],
) -> None:
    evaluate(evaluated, auc_roc=auc_roc)
    prepare(evaluated)
    with pytest.raises(AirflowFailException, match=message):
        operator(step, evaluated).execute(CONTEXT)


def test_an_unexpected_error_may_be_retried_and_then_succeed(
    evaluated: RunFolder, evaluate: Callable[..., RunFolder]
) -> None:
    evaluated.at("evaluate").write_text("result.json", '{"winner": ')
    with pytest.raises(StepFailedError, match=r"decide: ValidationError: .*EvaluateResult"):
        operator("decide", evaluated).execute(CONTEXT)
    evaluate(evaluated, auc_roc=0.81)
    assert operator("decide", evaluated).execute(CONTEXT)["outcome"] == "promote"
    assert evaluated.at("decide").failure() is None


@pytest.mark.parametrize("when", ["False", "", "None"])
def test_a_task_that_is_left_out_starts_nothing(when: str, evaluated: RunFolder) -> None:
    decide = operator("decide", evaluated, when=when)
    with pytest.raises(AirflowSkipException, match="left out"):
        decide.execute(CONTEXT)
    assert not Path(evaluated.at("decide").path()).exists()


def test_why_a_task_is_left_out_is_logged_and_kept_for_the_summary(
    evaluated: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AirflowSkipException, match="there is no Redis"):
        operator("publish_features", evaluated, when="False", left_out="there is no Redis").execute(CONTEXT)
    assert "left out: there is no Redis" in capfd.readouterr().out
    assert build_summary(evaluated).left_out == {"publish_features": "there is no Redis"}


def test_a_store_that_cannot_be_used_does_not_fail_a_task_that_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere = RunFolder.open(f"{tmp_path}/file/churn/run-1")
    with pytest.raises(AirflowSkipException, match="there is no Redis"):
        operator("publish_features", nowhere, when="False", left_out="there is no Redis").execute(CONTEXT)


def test_a_task_that_needs_start_is_skipped_without_it(run: RunFolder) -> None:
    with pytest.raises(AirflowSkipException, match="the step `start` did not get to its end"):
        operator("report", run, needs_start=True).execute(CONTEXT)
    assert not Path(run.root).exists()


def test_a_task_that_needs_start_runs_after_it(evaluated: RunFolder) -> None:
    assert operator("decide", evaluated, needs_start=True).execute(CONTEXT)["outcome"] == "promote"


class SlowServer(ThreadingHTTPServer):
    """A web server on loopback whose table is not sent before somebody says so."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SlowHandler)
        self.asked = threading.Event()
        self.released = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}/rows.csv"


class SlowHandler(BaseHTTPRequestHandler):
    """Sends the table, late."""

    server: SlowServer

    def do_GET(self) -> None:
        self.server.asked.set()
        if self.server.released.wait(SECONDS_TO_START):
            self.send_response(200)
            self.send_header("Content-Length", str(len(ROWS)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(ROWS)

    do_HEAD = do_GET  # noqa: N815  (http.server's name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (http.server's name)
        """Nothing."""


class Blocked:
    """A step that waits for its data, and the process that it has started."""

    def __init__(self, run: RunFolder, server: SlowServer, note: Path) -> None:
        self.run = run
        self._server = server
        self._note = note

    def wait(self) -> list[psutil.Process]:
        """Wait until the step waits for its data; returns its process and that one's child."""
        assert self._server.asked.wait(SECONDS_TO_START), "the step did not get to its data"
        return [psutil.Process(pid) for pid in self._noted["processes"]]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the step's process."""
        environment: dict[str, str] = self._noted["environment"]
        return environment

    @property
    def _noted(self) -> dict[str, Any]:
        noted: dict[str, Any] = json.loads(self._note.read_text())
        return noted

    def release(self) -> None:
        """Let the step have its data."""
        self._server.released.set()


def is_gone(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def all_gone(processes: list[psutil.Process]) -> bool:
    """Whether all of them end within some seconds."""
    until = time.monotonic() + SECONDS_TO_END
    while not all(is_gone(process) for process in processes):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def watched(tmp_path: Path, project: Path, own_servers: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file where each step notes its process and one that it has started."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITECUSTOMIZE)
    monkeypatch.setenv("PYTHONPATH", f"{site}:{project}")
    monkeypatch.setenv("NOTE_PROCESSES_IN", str(tmp_path / "processes"))
    return tmp_path / "processes"


@pytest.fixture
def server() -> Iterator[SlowServer]:
    with SlowServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def blocked(
    run: RunFolder, small_churn: Pipeline, begin: Callable[..., RunFolder], server: SlowServer, watched: Path
) -> Iterator[Blocked]:
    """A run whose step `ingest` waits for its data, and so does not end by itself."""
    begin(run, with_source(small_churn, server.address))
    yield Blocked(run, server, watched)
    for pid in json.loads(watched.read_text())["processes"] if watched.exists() else []:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()


class InThread(threading.Thread):
    """An operator at work; `error` and `result` are how it ended."""

    def __init__(self, step: LocalStepOperator) -> None:
        super().__init__(daemon=True)
        self.step = step
        self.error: BaseException | None = None
        self.result: dict[str, Any] | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self.step.execute(CONTEXT)
        except BaseException as error:  # noqa: BLE001  (a test looks at it)
            self.error = error

    def ended(self) -> BaseException | None:
        self.join(SECONDS_TO_END)
        assert not self.is_alive(), "the operator still waits"
        return self.error


@pytest.mark.timeout(120)
def test_a_killed_step_may_be_retried_and_leaves_a_record_and_no_process(blocked: Blocked) -> None:
    at_work = InThread(operator("ingest", blocked.run))
    step, child = blocked.wait()
    step.kill()
    error = at_work.ended()
    assert isinstance(error, StepFailedError)
    assert not isinstance(error, AirflowFailException)
    assert "ingest: StepKilled: the process was killed (SIGKILL); if memory ran out" in str(error)
    failure = blocked.run.at("ingest").failure()
    assert failure is not None
    assert (failure.step, failure.error, failure.exit_code) == ("ingest", "StepKilled", -signal.SIGKILL)
    assert all_gone([step, child])


@pytest.mark.timeout(120)
def test_on_kill_ends_the_step_and_what_it_has_started(blocked: Blocked) -> None:
    ingest = operator("ingest", blocked.run)
    at_work = InThread(ingest)
    processes = blocked.wait()
    ingest.on_kill()
    assert all_gone(processes)
    error = at_work.ended()
    assert isinstance(error, AirflowFailException)
    assert "ended from outside: not retried" in str(error)


@pytest.mark.timeout(120)
def test_a_step_whose_time_is_over_says_so_and_leaves_no_process(blocked: Blocked) -> None:
    processes: list[psutil.Process] = []

    def be_over() -> None:
        processes.extend(blocked.wait())
        os.kill(os.getpid(), signal.SIGALRM)

    clock = threading.Thread(target=be_over)
    clock.start()
    with pytest.raises(AirflowTaskTimeout), timeout(SECONDS_TO_START):  # type: ignore[no-untyped-call]
        operator("ingest", blocked.run).execute(CONTEXT)
    clock.join()
    failure = blocked.run.at("ingest").failure()
    assert failure is not None
    assert (failure.error, failure.message, failure.exit_code) == ("StepTimeout", OUT_OF_TIME, 1)
    assert all_gone(processes)


def test_on_kill_before_anything_was_started_does_nothing(run: RunFolder) -> None:
    operator("ingest", run).on_kill()


@pytest.fixture
def parent(blocked: Blocked, way: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the operator."""
    like = ["dags", "test"] if way == "forked" else ["tasks", "run"]
    command = [sys.executable, "-c", PARENT, *like, blocked.run.uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.timeout(120)
def test_an_interruption_is_final_and_leaves_no_process(blocked: Blocked, parent: subprocess.Popen[str]) -> None:
    processes = blocked.wait()
    parent.send_signal(signal.SIGINT)
    output, _ = parent.communicate(timeout=SECONDS_TO_END)
    assert output.splitlines()[-1] == (
        "AirflowFailException: ingest: StepKilled: interrupted from the keyboard; nothing that it had begun counts "
        "(ended from outside: not retried)"
    )
    assert all_gone(processes)


@pytest.mark.timeout(120)
def test_a_killed_airflow_leaves_no_process(blocked: Blocked, parent: subprocess.Popen[str]) -> None:
    processes = blocked.wait()
    parent.kill()
    assert all_gone(processes)
    assert blocked.run.at("ingest").failure() is None


SECRET = "a-secret-that-must-not-be-seen"


@pytest.fixture
def production(
    s3_endpoint: str, fresh_stores: None, enter: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[fsspec.AbstractFileSystem]:
    """The environment `production` on a real S3 server, reached by an Airflow connection alone; its file system."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    extra = f'{{"endpoint_url": "{s3_endpoint}", "region_name": "us-east-1"}}'
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        f'{{"conn_type": "aws", "login": "key-1", "password": "{SECRET}", "extra": {extra}}}',
    )
    client = boto3.client(
        "s3", endpoint_url=s3_endpoint, region_name="us-east-1", aws_access_key_id="key-1", aws_secret_access_key=SECRET
    )
    client.create_bucket(Bucket="ml-production")
    enter("production")
    yield fsspec.filesystem(
        "s3", key="key-1", secret=SECRET, endpoint_url=s3_endpoint, skip_instance_cache=True, use_listings_cache=False
    )
    for item in client.list_objects_v2(Bucket="ml-production").get("Contents", []):
        client.delete_object(Bucket="ml-production", Key=item["Key"])
    client.delete_bucket(Bucket="ml-production")


@pytest.mark.timeout(120)
def test_secrets_reach_the_step_and_nothing_else(
    production: Any,
    blocked: Blocked,
    server: SlowServer,
    small_churn: Pipeline,
    begin: Callable[..., RunFolder],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    way: str,
) -> None:
    folder = RunFolder.open("s3://ml-production/runs/churn/manual__1-a1b2c3", production)
    begin(folder, with_source(small_churn, server.address))
    ingest = operator("ingest", folder)
    caplog.set_level("DEBUG")
    at_work = InThread(ingest)
    process, _ = blocked.wait()
    environment = blocked.environment
    shown = process.environ()
    assert environment["AWS_SECRET_ACCESS_KEY"] == SECRET
    assert environment["AWS_ACCESS_KEY_ID"] == "key-1"
    assert [name for name in environment if name.startswith("AIRFLOW")] == []
    arguments = " ".join(process.cmdline())
    blocked.release()
    assert at_work.ended() is None
    assert at_work.result is not None
    assert at_work.result["rows"] == 2

    rendered = " ".join(str(getattr(ingest, name)) for name in ingest.template_fields)
    files = b"".join(production.cat_file(file) for file in production.find(folder.root)).decode(errors="replace")
    assert "snapshot.parquet" in files
    logged = caplog.text + "".join(capfd.readouterr())
    assert "trainer.steps.ingest" in logged
    if way == "forked":
        assert SECRET not in repr(shown)
    for seen in (arguments, rendered, str(at_work.result), files, logged, repr(vars(ingest))):
        assert SECRET not in seen
    assert list(tmp_path.rglob("*ml-production*")) == []


def test_the_checkout_and_the_step_get_each_what_it_needs(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, dict[str, str]] = {}

    def note(_operator: LocalStepOperator, command: list[str], environment: dict[str, str]) -> int:
        given[command[3]] = environment
        return 0

    monkeypatch.setattr(LocalStepOperator, "_run_to_end", note)
    environment = {
        "TRAINER_CONNECTION_WAREHOUSE": f"postgresql://anna:{SECRET}@db/shop",
        **dict.fromkeys(("GIT_PASSWORD", "PGPASSWORD", "REDIS_PASSWORD"), SECRET),
    }
    assert operator("tune", run, algorithm="logistic", code_path="src")._run_commands(environment, load_settings()) == 0
    assert sorted(given["checkout"]) == ["GIT_PASSWORD", "TRAINER_CODE"]
    expected = {"PGPASSWORD", "PYTHONPATH", "TRAINER_CODE", "TRAINER_CONNECTION_WAREHOUSE"}
    assert {*given["step"]} == expected


def test_a_run_on_s3_is_reached_by_the_airflow_connection(
    production: Any, small_churn: Pipeline, begin: Callable[..., RunFolder]
) -> None:
    uri = "s3://ml-production/runs/churn/manual__2-a1b2c3"
    begin(RunFolder.open(uri, production), small_churn)
    run = open_run(uri)
    assert run.pipeline() == small_churn
    run.write_text("note.txt", "written by the connection")
    assert production.cat_file("ml-production/runs/churn/manual__2-a1b2c3/note.txt") == b"written by the connection"


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nowhere://x"):
        open_run("nowhere://x/y")
