"""Rows that a Git repository pins with DVC, from a real S3 server and from a folder, as a run reads them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import mlflow
import polars as pl
import pytest
import requests
import yaml

from tests.dvc_world import DvcRepository, object_of
from tests.server import free_port
from tests.trainer.ingesting import PIPELINE, nothing_is_left, run_folder, try_to_ingest
from trainer.__main__ import main
from trainer.commands.step import run_step
from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.pipeline import DvcSource, pipeline_of
from trainer.registry.lineage import log_dataset
from trainer.run.records import IngestResult
from trainer.sources.dvc.objects import Objects
from trainer.sources.readers import read_source

CSV = "n,y\n1,no\n2,yes\n3,no\n"
LOGIN = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one file and one folder, and its remote beside it; DVC takes seconds."""
    home = tmp_path_factory.mktemp("dvc")
    (home / "remote").mkdir()
    lake = DvcRepository.of(home / "lake", "../remote")
    lake.track("rows.csv", {"": CSV})
    lake.track("folder", {"a.csv": CSV, "b.csv": CSV})
    return home


@pytest.fixture
def lake(made: Path, tmp_path: Path, surroundings: Any, monkeypatch: pytest.MonkeyPatch) -> DvcRepository:
    """A copy of that repository and its remote, and a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return DvcRepository(tmp_path / "lake", tmp_path / "lake-home")


@pytest.fixture
def in_s3(lake: DvcRepository, s3_bucket: str) -> DvcRepository:
    """The repository with its remote in S3: the same objects, without an endpoint or a login in its configuration."""
    remote = lake.folder.with_name("remote")
    for file in remote.rglob("*"):
        if file.is_file():
            boto3.client("s3").upload_file(str(file), s3_bucket, f"lake/{file.relative_to(remote)}")
    lake.commit({".dvc/config": f"[core]\nremote = store\n['remote \"store\"']\nurl = s3://{s3_bucket}/lake\n"})
    return lake


def source_of(lake: DvcRepository, path: str = "rows.csv", **settings: Any) -> DvcSource:
    return DvcSource(repository=lake.address, path=path, **settings)


def test_a_folder_is_one_table(lake: DvcRepository) -> None:
    assert read_source(source_of(lake, "folder"))[0]["n"].to_list() == [1, 2, 3, 1, 2, 3]


def test_a_run_reads_the_commit_that_it_began_with(lake: DvcRepository, surroundings: Any) -> None:
    commit, folder = lake.head, run_folder(surroundings)
    source = source_of(lake, where="n > 1").model_dump(mode="json")
    run_step("start", folder, pipeline_of({**PIPELINE, "source": source}))
    frozen = folder.pipeline()
    assert isinstance(frozen.source, DvcSource)
    assert frozen.source.commit == commit
    lake.commit({"rows.csv.dvc": "outs: []\n"})
    run_step("ingest", folder, frozen)
    result = folder.at("ingest").result(IngestResult)
    assert (result.rows, result.source) == (2, f"{lake.address}@{commit}:rows.csv")
    digest = object_of(CSV).removeprefix("files/md5/").replace("/", "")
    remote = lake.folder.with_name("remote").as_uri()
    assert result.tags == {"dvc.hash": digest, "data.remote": f"{remote}/{object_of(CSV)}", "dvc.commit": commit}
    with pytest.raises(DataValidationError, match="'rows.csv' .* is not tracked by DVC|there is no 'rows.csv'"):
        read_source(source_of(lake))


def test_from_s3_with_the_environments_login(in_s3: DvcRepository, s3_bucket: str, surroundings: Any) -> None:
    result = try_to_ingest(surroundings, source_of(in_s3, "folder"))
    assert result.tags["data.remote"].startswith(f"s3://{s3_bucket}/lake/files/md5/")
    assert result.tags["dvc.hash"].endswith(".dir")
    assert result.rows == 6


def test_from_s3_with_the_login_of_an_airflow_connection(
    in_s3: DvcRepository, s3_endpoint: str, surroundings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LOGIN:
        monkeypatch.delenv(name)
    address = f"aws://key:s3cret%2Fword@/?region_name=us-east-1&endpoint_url={quote(s3_endpoint, safe='')}"
    monkeypatch.setenv("TRAINER_CONNECTION_LAKE", address)
    assert try_to_ingest(surroundings, source_of(in_s3, connection="lake")).rows == 3
    written = [file.read_bytes() for file in surroundings.home.rglob("*") if file.is_file()]
    assert not any(secret in content for content in written for secret in (b"s3cret", b"%2Fword"))


def test_a_connection_is_for_s3(lake: DvcRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_CONNECTION_LAKE", "aws://key:s3cretword@/")
    with pytest.raises(ConfigurationError, match=r"source\.connection: it is a login for S3, and the remote is /"):
        read_source(source_of(lake, connection="lake"))


def test_a_profile_in_the_connection_is_refused(in_s3: DvcRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_CONNECTION_LAKE", "aws://?profile_name=research")
    with pytest.raises(ConfigurationError, match=r"connection 'lake': its profile_name is of no use here.*AWS_PROFILE"):
        read_source(source_of(in_s3, connection="lake"))


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        ("", {}, r"other.csv: the file is empty \(0 bytes\)"),
        ("n,y\n", {}, "a header and no rows"),
        ("n,y\n1,no\n2\n", {}, "the header has 2 fields, and 1 of 2 rows have not"),
        (CSV, {"types": {"n": "date"}}, "'n' is declared date, and 3 of 3 values are not"),
        (CSV, {"where": "n > 9"}, "0 of 3 rows fit source.where"),
    ],
    ids=["empty", "no-rows", "cut-in-a-row", "type-drift", "none-fits"],
)
def test_what_cannot_be_used_leaves_nothing(
    lake: DvcRepository, surroundings: Any, content: str, settings: dict[str, Any], message: str
) -> None:
    lake.track("other.csv", {"": content})
    with pytest.raises(DataValidationError, match=message):
        try_to_ingest(surroundings, source_of(lake, "other.csv", **settings))
    nothing_is_left(surroundings)


def test_files_of_other_columns_are_named(lake: DvcRepository, surroundings: Any) -> None:
    lake.track("folder", {"b.csv": "n\n1\n"})
    with pytest.raises(DataValidationError, match=r"1 of 2 files .*:folder/a.csv: file://.*:folder/b.csv lacks 'y'"):
        try_to_ingest(surroundings, source_of(lake, "folder"))
    nothing_is_left(surroundings)


def test_an_object_that_changes_while_it_is_fetched_leaves_nothing(
    lake: DvcRepository, surroundings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lake.folder.with_name("remote") / object_of(CSV)
    file.chmod(0o644)
    file.write_text(CSV[:-5])
    check = Objects._is_whole

    def change_first(self: Objects, staged: Path, digest: str) -> bool:
        file.write_text(CSV)
        return check(self, staged, digest)

    monkeypatch.setattr(Objects, "_is_whole", change_first)
    with pytest.raises(
        TrainerError, match=rf"{len(CSV) - 5} bytes of file://.* came, which has {len(CSV)} now"
    ) as raised:
        try_to_ingest(surroundings, source_of(lake))
    assert raised.value.retry_can_help
    nothing_is_left(surroundings)
    assert try_to_ingest(surroundings, source_of(lake)).rows == 3


@pytest.mark.parametrize("path", ["rows.csv", "folder"])
def test_an_object_that_s3_does_not_have_or_not_whole_leaves_nothing(
    in_s3: DvcRepository, s3_bucket: str, surroundings: Any, path: str
) -> None:
    client, key = boto3.client("s3"), f"lake/{object_of(CSV)}"
    client.put_object(Bucket=s3_bucket, Key=key, Body=CSV[:-5].encode())
    with pytest.raises(DataValidationError, match=rf"s3://{s3_bucket}/{key} is damaged \(its {len(CSV) - 5} bytes"):
        try_to_ingest(surroundings, source_of(in_s3, path))
    nothing_is_left(surroundings)
    client.delete_object(Bucket=s3_bucket, Key=key)
    with pytest.raises(DataValidationError, match=rf"the remote 'store' has no object s3://{s3_bucket}/{key}; .*push"):
        try_to_ingest(surroundings, source_of(in_s3, path))
    nothing_is_left(surroundings)


def test_a_store_that_does_not_answer_leaves_nothing(
    in_s3: DvcRepository, surroundings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TrainerError, match="does not answer") as raised:
        try_to_ingest(surroundings, source_of(in_s3))
    assert raised.value.retry_can_help
    nothing_is_left(surroundings)


@pytest.fixture
def strict(in_s3: DvcRepository, s3_endpoint: str) -> Iterator[DvcRepository]:
    """The store looks at who asks."""
    requests.post(f"{s3_endpoint}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    yield in_s3
    requests.post(f"{s3_endpoint}/moto-api/reset-auth", data="inf", timeout=10).raise_for_status()


def test_a_login_that_the_store_does_not_know_leaves_nothing(strict: DvcRepository, surroundings: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"s3://.*: the.* credentials") as raised:
        try_to_ingest(surroundings, source_of(strict))
    assert "test-secret" not in str(raised.value)
    nothing_is_left(surroundings)


def test_no_login_at_all_leaves_nothing(
    in_s3: DvcRepository, surroundings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LOGIN[1:3]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(surroundings.home))
    with pytest.raises(ConfigurationError, match=r"s3://.*: there are no credentials for S3"):
        try_to_ingest(surroundings, source_of(in_s3))
    nothing_is_left(surroundings)


def test_mlflow_knows_the_object_and_not_the_checkout(in_s3: DvcRepository, s3_bucket: str, surroundings: Any) -> None:
    _, lineage = read_source(source_of(in_s3))
    mlflow.set_tracking_uri(surroundings.tracking_uri)
    with mlflow.start_run() as active:
        log_dataset(lineage, "inputs", pl.DataFrame({"n": [1]}), lineage.tags["dvc.hash"])
    run = mlflow.get_run(active.info.run_id)
    (logged,) = run.inputs.dataset_inputs
    assert f"s3://{s3_bucket}/lake/{object_of(CSV)}" in logged.dataset.source
    assert str(in_s3.folder) not in logged.dataset.source
    assert run.data.tags.items() >= lineage.tags.items()


def test_a_job_of_its_own_tags_its_run_and_its_version(lake: DvcRepository, surroundings: Any, tmp_path: Path) -> None:
    rows = "".join(f"{number},{'yes' if number % 3 else 'no'}\n" for number in range(200))
    lake.track("many.csv", {"": f"n,y\n{rows}"})
    reader = source_of(lake, "many.csv").model_dump(mode="json")
    job = {
        "KIND": "training", "run_config": {"experiment": "leavers", "name": "by-hand"},
        "problem": "binary_classification", "inputs": reader, "targets": reader, "target": "y",
        "positive": "yes", "exclude": ["y"], "registry": {"model": "leavers"},
        "model": {"KIND": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
    }  # fmt: skip
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job))
    assert main(["run", str(tmp_path / "job.yaml")]) == 0
    digest = object_of(f"n,y\n{rows}").removeprefix("files/md5/").replace("/", "")
    client = mlflow.MlflowClient(surroundings.tracking_uri)
    version = client.get_model_version("leavers", "1")
    for tags in (version.tags, client.get_run(version.run_id).data.tags):
        assert (tags["dvc.hash"], tags["dvc.commit"]) == (digest, lake.head)
