"""Where rows come from: settled once, and a sample never stands in for data that cannot be reached."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import s3fs
from botocore.exceptions import EndpointConnectionError

from trainer.environment import Environment
from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.pipeline import Pipeline, SampleSource
from trainer.sources.settle import absolute_uri, settle_source

NOBODY_LISTENS = "http://127.0.0.1:9"  # the discard port
Answering = Callable[[int], str]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts a server that answers everything with a status; gives its address."""
    with contextlib.ExitStack() as stack:
        yield lambda status: stack.enter_context(_server(status))


@contextlib.contextmanager
def _server(status: int) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def environment(**fields: Any) -> Environment:
    return Environment(tracking_uri="sqlite:///unused.db", **fields)


def reading(pipeline: Pipeline, **fields: Any) -> Pipeline:
    return pipeline.model_copy(update={"source": pipeline.source.model_copy(update=fields)})


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("telco/rows.csv", "file:///store/telco/rows.csv"),
        ("/data/rows.csv", "/data/rows.csv"),
        ("s3://bucket/rows.csv", "s3://bucket/rows.csv"),
    ],
    ids=["relative", "path", "address"],
)
def test_only_relative_addresses_are_below_the_data_store(uri: str, expected: str) -> None:
    assert absolute_uri(uri, "file:///store/") == expected


def test_a_relative_address_needs_a_data_store() -> None:
    with pytest.raises(ConfigurationError, match=r"source.uri 'rows.csv' is relative, and the environment names no"):
        absolute_uri("rows.csv", "")


def test_data_that_is_there_is_used_under_its_own_name(churn: Pipeline, tmp_path: Path) -> None:
    file = tmp_path / "telco_churn" / "Telco-Customer-Churn.csv"
    file.parent.mkdir()
    file.write_text("customerID\n1\n", encoding="utf-8")
    settled = settle_source(churn, environment(data_store=tmp_path.as_uri(), samples=True))
    assert settled.source == churn.source.model_copy(update={"uri": file.as_uri()})
    assert settled.registry == churn.registry


def test_a_sample_stands_in_where_the_environment_allows_one(
    churn: Pipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="trainer"):
        settled = settle_source(churn, environment(data_store=tmp_path.as_uri(), samples=True))
    assert isinstance(settled.source, SampleSource)
    assert (settled.source.rename, settled.source.types) == (churn.source.rename, churn.source.types)
    assert settled.source.missing == churn.source.missing
    filtered = settle_source(
        reading(churn, where="tenure > 1"), environment(data_store=tmp_path.as_uri(), samples=True)
    )
    assert filtered.source.where == "tenure > 1"
    assert settled.registry.model == "churn-predictor-sample"
    assert "the built-in sample 'telco' is used instead" in caplog.text


def test_no_sample_where_the_environment_allows_none(churn: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(DataValidationError, match=r"no such file, and this environment allows no built-in sample"):
        settle_source(churn, environment(data_store=tmp_path.as_uri()))


def test_a_pipeline_of_a_sample_is_refused_where_none_is_allowed(small_churn: Pipeline) -> None:
    with pytest.raises(ConfigurationError, match=r"source.KIND: this environment allows no built-in sample"):
        settle_source(small_churn, environment())


def test_no_sample_where_the_pipeline_names_none(churn: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(DataValidationError, match=r"there is no such file; put it there \(`make data` fetches"):
        settle_source(reading(churn, sample=None), environment(data_store=tmp_path.as_uri(), samples=True))


def test_settling_again_changes_nothing(small_churn: Pipeline) -> None:
    once = settle_source(small_churn, environment(samples=True))
    assert once.registry.model == "churn-predictor-sample"
    assert settle_source(once, environment(samples=True)) == once


def test_a_store_that_cannot_be_reached_is_no_reason_for_a_sample(
    churn: Pipeline, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY_LISTENS)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(EndpointConnectionError, match="Could not connect"):
        settle_source(reading(churn, uri=f"s3://{s3_bucket}/rows.csv"), environment(samples=True))


def test_a_server_that_cannot_be_reached_is_no_reason_for_a_sample(churn: Pipeline) -> None:
    with pytest.raises(TrainerError, match=r"rows.csv: cannot be reached: .*Connect call failed") as raised:
        settle_source(reading(churn, uri=f"{NOBODY_LISTENS}/rows.csv"), environment(samples=True))
    assert raised.value.retry_can_help


@pytest.mark.parametrize(("status", "absent"), [(404, True), (410, True), (403, False), (500, False), (503, False)])
def test_only_a_servers_not_found_is_absence(churn: Pipeline, answering: Answering, status: int, absent: bool) -> None:
    pipeline = reading(churn, uri=f"{answering(status)}/rows.csv")
    if absent:
        assert settle_source(pipeline, environment(samples=True)).source.KIND == "sample"
    else:
        with pytest.raises(TrainerError, match=f"cannot be reached: {status}"):
            settle_source(pipeline, environment(samples=True))


def test_an_object_that_is_not_in_its_bucket_is_absent(churn: Pipeline, s3_bucket: str) -> None:
    settled = settle_source(reading(churn, uri=f"s3://{s3_bucket}/rows.csv"), environment(samples=True))
    assert settled.source.KIND == "sample"


def test_an_unknown_protocol_is_a_mistake_in_the_file(churn: Pipeline) -> None:
    with pytest.raises(ConfigurationError, match=r"source.uri 'gopher://host/rows.csv': .*gopher"):
        settle_source(reading(churn, uri="gopher://host/rows.csv"), environment(samples=True))
