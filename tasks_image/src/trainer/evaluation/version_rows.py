"""Rows that a registered version can be judged on: its own run's test rows, or a file's."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, DataValidationError, StepNotDoneError
from trainer.evaluation.registered import never_seen
from trainer.pipeline import Acceptance, CsvSource, ParquetSource, did_you_mean
from trainer.problems import problem_of
from trainer.run import RunFolder

if TYPE_CHECKING:
    import polars as pl
    from mlflow.entities.model_registry import ModelVersion

    from trainer.pipeline import Pipeline
    from trainer.problems import Problem

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VersionRows:
    """Rows (n, raw columns) with their truth (n,), and what is needed to judge answers to them."""

    problem: Problem
    positive: Any
    limits: Acceptance
    rows: pl.DataFrame
    truth: pl.Series
    source: str
    left_out: int = 0
    """Rows of the file that the version was trained or tuned on."""
    validation: tuple[pl.DataFrame, pl.Series] | None = None
    """Rows and keys that training has answered too."""
    run: RunFolder | None = None


def own_rows(version: ModelVersion) -> VersionRows:
    """The test rows of the run that a version came from.

    Raises ConfigurationError where there is no record of them, DataValidationError where they are not what they were.
    """
    from trainer.registry.versions import DIGEST_TAG, REFIT_TAG
    from trainer.tables.handover import SNAPSHOT, rows_of
    from trainer.tables.parquet import file_digest

    run, pipeline = _recorded(version)
    if version.tags.get(REFIT_TAG) == "everything":
        raise ConfigurationError(
            f"{_named(version)} was fitted on all rows of its run (`refit: everything`), so none of them can judge it; "
            f"{_OTHER_ROWS}"
        )
    try:
        with run.at("ingest").local(SNAPSHOT) as file:
            digest = file_digest(file)
        test, truth, _ = rows_of(pipeline, run, "test")
        validation, _, keys = rows_of(pipeline, run, "validation")
    except FileNotFoundError as error:
        raise ConfigurationError(f"{_named(version)}: the rows of its run are gone: {error}; {_OTHER_ROWS}") from error
    if digest != version.tags.get(DIGEST_TAG):
        raise DataValidationError(
            f"{run.at('ingest').uri_of(SNAPSHOT)} is not the table that {_named(version)} was trained on: its SHA-256 "
            f"is {digest[:12]}…, the version's tag {DIGEST_TAG} says {version.tags.get(DIGEST_TAG, '')[:12]}…"
        )
    source = f"the test rows of its own run, {run.uri}"
    judged = (problem_of(pipeline.problem), pipeline.columns.positive, pipeline.acceptance)
    return VersionRows(*judged, test, truth, source, validation=(validation, keys), run=run)


def rows_of_file(version: ModelVersion, file: str, target: str | None, positive: str | None) -> VersionRows:
    """The rows of a CSV or Parquet file, read as the version's pipeline reads its source; those it has seen left out.

    Raises ConfigurationError where the target is not known, DataValidationError where an input is missing or no row is
    new to the version.
    """
    from trainer.sources.readers import read_source

    pipeline = _pipeline_or_none(version)
    column = target or (pipeline.columns.target if pipeline else None)
    named = {*(pipeline.columns.named if pipeline else ()), *([column] if column else [])}
    frame, _ = read_source(_source(pipeline, file), named)
    if column is None:
        raise ConfigurationError(f"{_named(version)} has no pipeline on record: name the target with --target")
    if column not in frame.columns:
        raise ConfigurationError(f"{file}: no column {column!r}{did_you_mean(column, frame.columns)}; see --target")
    _refuse_missing_inputs(version, frame, file)
    unseen = _never_seen(version, pipeline, frame)
    if unseen.is_empty():
        raise DataValidationError(
            f"{file}: {_named(version)} was trained or tuned on all of its {frame.height} rows; give it new ones"
        )
    label = positive if positive is not None else pipeline.columns.positive if pipeline else None
    limits = pipeline.acceptance if pipeline else Acceptance()
    problem = problem_of(pipeline.problem if pipeline else _recorded_problem(version))
    left_out = frame.height - unseen.height
    return VersionRows(problem, label, limits, unseen.drop(column), unseen[column], file, left_out)


_OTHER_ROWS = "give it rows with --data FILE"


def _named(version: ModelVersion) -> str:
    return f"{version.name} version {version.version}"


def _recorded(version: ModelVersion) -> tuple[RunFolder, Pipeline]:
    from trainer.registry.versions import RUN_FOLDER_TAG

    uri = version.tags.get(RUN_FOLDER_TAG)
    if not uri:
        raise ConfigurationError(f"{_named(version)} has no tag {RUN_FOLDER_TAG}: no run made it; {_OTHER_ROWS}")
    run = RunFolder.open(uri)
    try:
        return run, run.pipeline()
    except StepNotDoneError as error:
        raise ConfigurationError(f"{_named(version)}: its run folder {uri} is gone; {_OTHER_ROWS}") from error


def _pipeline_or_none(version: ModelVersion) -> Pipeline | None:
    try:
        return _recorded(version)[1]
    except ConfigurationError as error:
        logger.warning("%s; the file is read as it stands", error)
        return None


def _source(pipeline: Pipeline | None, file: str) -> CsvSource | ParquetSource:
    """The file as a source that is renamed and typed like the pipeline's own."""
    own = pipeline.source if pipeline else None
    shared = own.reading if own else {}
    if PurePath(file).suffix == ".parquet":
        return ParquetSource(uri=file, **shared)
    return CsvSource(uri=file, separator=getattr(own, "separator", ","), **shared)


def _refuse_missing_inputs(version: ModelVersion, frame: pl.DataFrame, file: str) -> None:
    import mlflow.models

    signature = mlflow.models.get_model_info(f"models:/{version.name}/{version.version}").signature
    needed = signature.inputs.input_names() if signature is not None and signature.inputs is not None else []
    absent = [name for name in needed if name not in frame.columns]
    if absent:
        raise DataValidationError(
            f"{file}: {_named(version)} needs the columns {', '.join(absent)}, which are not there; "
            f"columns: {', '.join(frame.columns)}"
        )


def _never_seen(version: ModelVersion, pipeline: Pipeline | None, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows that the version was neither trained nor tuned on, as far as there is a record."""
    from trainer.registry.versions import reference_of
    from trainer.tables.row_keys import row_keys

    reference = reference_of(version)
    if pipeline is None or not reference.keys:
        logger.warning("%s: there is no record of the rows that it was trained on; all rows count", _named(version))
        return frame
    return frame.filter(never_seen(row_keys(frame, pipeline.columns.id), reference))


def _recorded_problem(version: ModelVersion) -> str:
    import mlflow.models

    metadata = mlflow.models.get_model_info(f"models:/{version.name}/{version.version}").metadata or {}
    if "problem" not in metadata:
        raise ConfigurationError(f"{_named(version)} does not say which problem it solves: no pipeline made it")
    return str(metadata["problem"])
