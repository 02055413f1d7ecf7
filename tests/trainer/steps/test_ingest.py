"""The step `ingest`: what was read is kept as one file, with its digest and its age."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.commands.step import run_step
from trainer.errors import DataValidationError, StepNotDoneError
from trainer.pipeline import Pipeline, parse_pipeline
from trainer.run import RunFolder
from trainer.run.records import IngestResult
from trainer.tables.parquet import file_digest, read_table, sink_rows

PIPELINE = """
name: leavers
description: who leaves
problem: binary_classification
source: {KIND: csv, uri: rows.csv, types: {seen: datetime}}
columns: {target: y, positive: "yes", time: seen}
algorithms: {logistic: {KIND: sklearn, estimator: sklearn.linear_model.LogisticRegression}}
tuning: {metric: auc_roc}
gates: {against_production: {metric: auc_roc}}
registry: {model: leavers, experiment: leavers}
"""


@pytest.fixture
def folder(surroundings) -> RunFolder:
    (surroundings.home / "data").mkdir()
    return RunFolder.open(f"file://{surroundings.home}/runs/leavers/run-1")


@pytest.fixture
def rows(folder: RunFolder, surroundings) -> Path:
    """A source of 100 rows, the newest of them three days old, in a file that is two days old."""
    file: Path = surroundings.home / "data" / "rows.csv"
    newest = datetime.now(UTC) - timedelta(days=3)
    seen = [(newest - timedelta(days=row)).strftime("%Y-%m-%d %H:%M:%S") for row in range(100)]
    pl.DataFrame({"n": range(100), "seen": seen, "y": ["no", "no", "no", "yes"] * 25}).write_csv(file)
    changed = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(file, (changed, changed))
    return file


def ingest(folder: RunFolder, **parameters: Any) -> IngestResult:
    run_step("start", folder, parse_pipeline(PIPELINE, "leavers.yaml").for_run(parameters))
    run_step("ingest", folder, folder.pipeline())
    return folder.at("ingest").result(IngestResult)


def test_the_snapshot_holds_what_was_read(folder: RunFolder, rows: Path) -> None:
    result = ingest(folder)
    snapshot = read_table(folder.at("ingest"), "snapshot.parquet")
    assert snapshot["n"].to_list() == list(range(100))
    assert (result.rows, result.rows_in_source, result.sample) == (100, 100, False)
    assert result.source == rows.as_uri()
    assert result.snapshot == folder.at("ingest").uri_of("snapshot.parquet")
    assert result.digest == file_digest(Path(folder.at("ingest").path("snapshot.parquet")))
    assert result.columns.keys() == {"n", "seen", "y"}


def test_its_age_and_that_of_its_newest_row_are_known(folder: RunFolder, rows: Path) -> None:
    result = ingest(folder)
    assert result.age_days == pytest.approx(2, abs=0.01)
    assert result.newest_row_age_days == pytest.approx(3, abs=0.01)


def test_equal_data_gives_equal_digests(folder: RunFolder, rows: Path) -> None:
    first = ingest(folder).digest
    assert ingest(RunFolder.open(f"{folder.uri}-2")).digest == first
    rows.write_text(rows.read_text(encoding="utf-8").replace("\n99,", "\n999,"), encoding="utf-8")
    assert ingest(folder).digest != first


def test_a_share_of_the_rows_keeps_the_classes(folder: RunFolder, rows: Path) -> None:
    result = ingest(folder, sample_ratio=0.2)
    assert (result.rows, result.rows_in_source) == (20, 100)
    counts = read_table(folder.at("ingest"), "snapshot.parquet")["y"].value_counts()
    assert dict(counts.iter_rows()) == {"no": 15, "yes": 5}


def test_with_a_condition_a_built_date_and_a_sample_the_table_is_written_once(
    folder: RunFolder, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def watched(found: pl.LazyFrame, file: Path) -> None:
        written.append(file.name)
        sink_rows(found, file)

    frame = pl.read_csv(rows).with_columns(year=2000 + pl.col("n"), month=1)
    frame.write_csv(rows)
    source = "where: n > 19, dates: {day: {year: year, month: month}}, types: {y: string}"
    pipeline = parse_pipeline(PIPELINE.replace("types: {seen: datetime}", source).replace(", time: seen", ""), "l.yaml")
    run_step("start", folder, pipeline.for_run({"sample_ratio": 0.5}))
    monkeypatch.setattr("trainer.tables.parquet.sink_rows", watched)
    run_step("ingest", folder, folder.pipeline())
    result = folder.at("ingest").result(IngestResult)
    assert written == ["snapshot.parquet"]
    assert (result.rows, result.rows_in_source) == (40, 80)
    snapshot = read_table(folder.at("ingest"), "snapshot.parquet")
    assert (snapshot["day"].dt.year() - 2000).to_list() == snapshot["n"].to_list()


def test_a_table_without_rows_is_refused(folder: RunFolder, rows: Path) -> None:
    rows.write_text("n,seen,y\n", encoding="utf-8")
    with pytest.raises(DataValidationError, match=r"rows.csv: the table has a header and no rows"):
        ingest(folder)
    with pytest.raises(StepNotDoneError):
        folder.at("ingest").result(IngestResult)


def test_a_file_that_disappears_after_the_start(folder: RunFolder, rows: Path) -> None:
    run_step("start", folder, parse_pipeline(PIPELINE, "leavers.yaml"))
    rows.unlink()
    with pytest.raises(DataValidationError, match="there is no such file"):
        run_step("ingest", folder, folder.pipeline())


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [("types: {seen: datetime}", "types: {seen: string}", "seen"), ("time: seen", "time: day", "day")],
    ids=["no-date", "no-column"],
)
def test_the_time_must_be_a_date(folder: RunFolder, rows: Path, old: str, new: str, name: str) -> None:
    run_step("start", folder, parse_pipeline(PIPELINE.replace(old, new), "leavers.yaml"))
    with pytest.raises(DataValidationError, match=rf"columns.time: '{name}' must be a date or datetime column"):
        run_step("ingest", folder, folder.pipeline())


def test_nothing_is_read_before_the_start(folder: RunFolder, quick_churn: Pipeline) -> None:
    with pytest.raises(StepNotDoneError, match="step 'start' is not done"):
        run_step("ingest", folder, quick_churn)
