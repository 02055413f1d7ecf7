"""Stores that take nothing, are full or locked."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.environment.settings import load_settings
from tests.faults.world.servers import DENIED, FULL, Answer, Proxy
from tests.faults.world.worlds import KEY, World
from tests.world import ALGORITHM
from trainer.errors import OutageError
from trainer.run import RunFolder
from trainer.run.records import IngestResult

if TYPE_CHECKING:
    from tests.faults.world.worlds import Stage


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
