"""The step `detect_drift`: every way it can end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import polars as pl
import pytest

from trainer.errors import DataValidationError, StepNotDoneError
from trainer.pipeline import Pipeline, parse_pipeline
from trainer.registry import versions
from trainer.registry.versions import Reference
from trainer.run import RunFolder
from trainer.run.records import DriftResult, IngestResult
from trainer.steps import detect_drift
from trainer.tables.parquet import file_digest, write_table

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """
name: churn
description: who leaves
problem: binary_classification
source: {KIND: csv, uri: /data/churn.csv}
columns: {id: customer, target: churn, positive: "Yes", time: seen, exclude: [leak]}
drift: {share: 0.5, report_rows: 100}
algorithms: {forest: {KIND: sklearn, estimator: sklearn.ensemble.RandomForestClassifier}}
tuning: {metric: auc_roc}
gates: {against_production: {metric: auc_roc}}
registry: {model: churn-predictor, experiment: churn}
"""
Publish = Callable[[pl.DataFrame], Reference]


def rows(seed: int, shift: float = 0.0, count: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame({
        "customer": [f"{seed}-{row}" for row in range(count)],
        "seen": pl.Series(range(count)).cast(pl.Date),
        "charges": rng.normal(50 + 20 * shift, 10, count),
        "plan": rng.choice(["a", "b"], count),
        "leak": rng.normal(1000 * shift, 1, count),
        "churn": rng.choice(["Yes", "No"], count),
    })


@pytest.fixture
def pipeline() -> Pipeline:
    return parse_pipeline(PIPELINE, "churn.yaml")


@pytest.fixture
def fail_on_drift(pipeline: Pipeline) -> Pipeline:
    return pipeline.model_copy(update={"drift": pipeline.drift.model_copy(update={"when_drifted": "fail"})})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.open((tmp_path / "runs" / "run1").as_uri()).at("detect_drift")


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Makes rows the ones that production was trained on."""

    def publish(frame: pl.DataFrame) -> Reference:
        file = tmp_path / "reference.parquet"
        frame.write_parquet(file)
        reference = Reference("3", file.as_uri(), file_digest(file), "")
        register(reference, monkeypatch)
        return reference

    return publish


def register(reference: Reference | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "production_reference", {"churn-predictor": reference}.__getitem__)


def ingest(folder: RunFolder, frame: pl.DataFrame) -> None:
    at = folder.at("ingest")
    digest = write_table(at, "snapshot.parquet", frame)
    known: dict[str, Any] = {
        "snapshot": at.uri_of("snapshot.parquet"),
        "source": "test",
        "digest": digest,
        "sample": False,
    }
    at.finish(IngestResult(**known, rows=frame.height, rows_in_source=frame.height, columns={}, age_days=0.0))


def kept(folder: RunFolder) -> DriftResult:
    return DriftResult.model_validate(json.loads(folder.read_text("drift.json")))


def test_no_production_yet(pipeline: Pipeline, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(folder, rows(1))
    register(None, monkeypatch)
    result = detect_drift.run(pipeline, folder)
    assert result == DriftResult(status="no_reference") == kept(folder)


def test_stable(pipeline: Pipeline, folder: RunFolder, publish: Publish, caplog: pytest.LogCaptureFixture) -> None:
    reference = publish(rows(1))
    ingest(folder, rows(2))
    caplog.set_level(logging.INFO)
    result = detect_drift.run(pipeline, folder)
    assert (result.status, result.share) == ("stable", 0.0)
    assert (result.reference, result.reference_version) == (reference.snapshot, "3")
    assert [drift.column for drift in result.columns] == ["charges", "plan"]
    assert result.target is not None
    assert result.target.column == "churn"
    assert kept(folder) == result
    assert "Data drift: stable" in folder.read_text("drift.html")
    assert result.report == folder.uri_of("drift.html")
    expected = (
        "0 of 2 columns drifted since version 3 (0%, from 50% on the data set has): stable; compared: all 400 rows"
    )
    assert expected in caplog.text


def test_drift_warns(pipeline: Pipeline, folder: RunFolder, publish: Publish, caplog: pytest.LogCaptureFixture) -> None:
    publish(rows(1))
    ingest(folder, rows(2, shift=1))
    caplog.set_level(logging.INFO)
    result = detect_drift.run(pipeline, folder)
    assert (result.status, result.share) == ("drifted", 0.5)
    assert kept(folder) == result
    assert "drifted: charges (ks 0." in caplog.text
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    (warning,) = warnings
    assert warning.startswith("1 of 2 columns drifted since version 3 (50%, from 50% on the data set has): drifted;")


def test_a_broken_month_at_the_end_of_a_growing_table_is_found(
    pipeline: Pipeline, folder: RunFolder, publish: Publish
) -> None:
    before, month = rows(1, count=700), rows(2, shift=1, count=30).with_columns(pl.col("seen") + pl.duration(days=700))
    publish(before)
    ingest(folder, pl.concat([before, month]))
    result = detect_drift.run(pipeline, folder)
    assert (result.compared, result.rows) == ("newer", 30)
    assert [drift.column for drift in result.columns if drift.drifted] == ["charges"]
    assert "700 of the reference, 30 current" in folder.read_text("drift.html")


def test_drift_below_the_share_is_stable(pipeline: Pipeline, folder: RunFolder, publish: Publish) -> None:
    publish(rows(1))
    ingest(folder, rows(2, shift=1))
    patient = pipeline.model_copy(update={"drift": pipeline.drift.model_copy(update={"share": 0.6})})
    result = detect_drift.run(patient, folder)
    assert (result.status, result.share) == ("stable", 0.5)


def test_drift_fails_after_its_files_are_written(fail_on_drift: Pipeline, folder: RunFolder, publish: Publish) -> None:
    publish(rows(1))
    ingest(folder, rows(2, shift=1))
    with pytest.raises(DataValidationError, match=r"charges \(ks 0\.\d+ > 0\.\d+, .*drift\.html.*when_drifted: warn"):
        detect_drift.run(fail_on_drift, folder)
    assert kept(folder).status == "drifted"
    assert "Data drift: drifted" in folder.read_text("drift.html")


def test_a_drifted_target_does_not_count(fail_on_drift: Pipeline, folder: RunFolder, publish: Publish) -> None:
    publish(rows(1))
    ingest(folder, rows(2).with_columns(churn=pl.lit("Yes")))
    result = detect_drift.run(fail_on_drift, folder)
    assert result.status == "stable"
    assert result.target is not None
    assert result.target.drifted


def test_a_new_column_is_not_compared(
    pipeline: Pipeline, folder: RunFolder, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish(rows(1))
    ingest(folder, rows(2).with_columns(region=pl.lit("north")))
    source = pipeline.source.model_copy(update={"types": {"region": "string"}})
    result = detect_drift.run(pipeline.model_copy(update={"source": source}), folder)
    assert [drift.column for drift in result.columns] == ["charges", "plan"]
    assert "new since production was trained, and not compared: region" in caplog.text


def test_a_new_column_that_nobody_named_is_refused(pipeline: Pipeline, folder: RunFolder, publish: Publish) -> None:
    publish(rows(1))
    ingest(folder, rows(2).with_columns(region=pl.lit("north"), reason=pl.lit("price")))
    with pytest.raises(DataValidationError, match=r"2 columns are new since .*: 'region', 'reason'; .*source.types"):
        detect_drift.run(pipeline, folder)
    columns = pipeline.columns.model_copy(update={"exclude": ["region", "reason"]})
    assert detect_drift.run(pipeline.model_copy(update={"columns": columns}), folder).status == "stable"


@pytest.mark.parametrize("gone", ["plan", "churn"])
def test_a_column_that_has_gone_is_refused(pipeline: Pipeline, folder: RunFolder, publish: Publish, gone: str) -> None:
    publish(rows(1))
    ingest(folder, rows(2).drop(gone))
    with pytest.raises(DataValidationError, match=rf"the current table lacks 1 column\(s\): '{gone}'"):
        detect_drift.run(pipeline, folder)


def test_nothing_to_compare_is_refused(pipeline: Pipeline, folder: RunFolder, publish: Publish) -> None:
    publish(rows(1).drop("charges", "plan"))
    ingest(folder, rows(2))
    with pytest.raises(DataValidationError, match="no column to compare"):
        detect_drift.run(pipeline, folder)


def test_a_reference_on_an_object_store(
    pipeline: Pipeline, folder: RunFolder, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = publish(rows(1))
    uri = "memory://store/reference.parquet"
    with fsspec.open(uri, "wb") as target, fsspec.open(local.snapshot, "rb") as source:
        target.write(source.read())
    register(Reference("4", uri, local.digest, ""), monkeypatch)
    ingest(folder, rows(2))
    assert detect_drift.run(pipeline, folder).reference == uri


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("file:///nowhere/snapshot.parquet", "No such file"),
        ("nothing://bucket/snapshot.parquet", "Protocol not known"),
        ("", "does not say on which snapshot"),
    ],
    ids=["file gone", "unknown protocol", "no address"],
)
def test_an_unreadable_reference_is_a_failure(
    pipeline: Pipeline, folder: RunFolder, monkeypatch: pytest.MonkeyPatch, uri: str, reason: str
) -> None:
    ingest(folder, rows(1))
    register(Reference("3", uri, "0" * 64, ""), monkeypatch)
    with pytest.raises(DataValidationError, match=rf"version 3: .*{reason}.*bring the file back") as caught:
        detect_drift.run(pipeline, folder)
    assert uri in str(caught.value)


def test_a_broken_connection_may_be_tried_again(
    pipeline: Pipeline, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(folder, rows(1))
    register(Reference("3", "s3://bucket/snapshot.parquet", "0" * 64, ""), monkeypatch)

    def broken(*_: object, **__: object) -> None:
        raise ConnectionResetError("reset by peer")

    monkeypatch.setattr(fsspec, "open", broken)
    with pytest.raises(ConnectionResetError):
        detect_drift.run(pipeline, folder)


def test_another_file_than_registered_is_a_failure(
    pipeline: Pipeline, folder: RunFolder, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = publish(rows(1))
    register(Reference("3", reference.snapshot, "0" * 64, ""), monkeypatch)
    ingest(folder, rows(2))
    expected = rf"version 3: {reference.snapshot} is not the file .* {reference.digest}, registered is 0{{64}}"
    with pytest.raises(DataValidationError, match=expected):
        detect_drift.run(pipeline, folder)


def test_a_reference_that_is_no_parquet_is_a_failure(
    pipeline: Pipeline, folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "reference.parquet"
    file.write_text("a,b\n1,2\n")
    register(Reference("3", file.as_uri(), file_digest(file), ""), monkeypatch)
    ingest(folder, rows(2))
    with pytest.raises(DataValidationError, match="is no Parquet file"):
        detect_drift.run(pipeline, folder)


def test_needs_the_snapshot(pipeline: Pipeline, folder: RunFolder) -> None:
    with pytest.raises(StepNotDoneError, match="ingest"):
        detect_drift.run(pipeline, folder)
