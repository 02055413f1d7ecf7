"""The part of a pipeline that says which rows its model scores in batches, and where the answers go."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from trainer.pipeline.sources import AnySource, ConnectionName, Uri
from trainer.pipeline.spec import Spec

CRON = r"^(@(hourly|daily|weekly|monthly|quarterly|yearly|once|continuous)|\S+( \S+){4})$"
ATOMIC = ("file", "s3", "s3a", "gs", "gcs")
"""Protocols of stores in which a file appears whole: by a rename, or when its upload is complete."""
INHERITED = ("rename", "types", "dates", "missing")
"""What `scoring.source` takes from `source` where it does not say it itself: how the columns are read."""


def _atomic_address(uri: str) -> str:
    protocol = uri.partition("://")[0] if "://" in uri else "file"
    if protocol not in ATOMIC:
        raise ValueError(
            f"a file in {protocol}:// can be seen half-written; expected a folder, or an address of {', '.join(ATOMIC)}"
        )
    return uri


class ParquetOutput(Spec):
    """A folder with one Parquet file per run, `RUN.parquet`."""

    KIND: Literal["parquet"] = "parquet"
    uri: Annotated[Uri, AfterValidator(_atomic_address)]
    """A folder, by path or address (`s3://bucket/prefix`); a relative one lies below the environment's data store."""


class PostgresOutput(Spec):
    """A table in PostgreSQL, to which each run adds its rows; it is created by the first run."""

    KIND: Literal["postgres"] = "postgres"
    connection: ConnectionName
    """The Airflow connection with the server's address, database, user and password."""
    table: Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)?$")]
    """`table` or `schema.table`; capitals count."""


AnyOutput = Annotated[ParquetOutput | PostgresOutput, Field(discriminator="KIND")]


class Scoring(Spec):
    """Batch scoring: the DAG `<name>_scoring`."""

    schedule: Annotated[str, StringConstraints(pattern=CRON)] | None = None
    """Five cron fields or a preset such as `@daily`; null: only by hand."""
    source: AnySource
    """The rows to score. They need `columns.id` and all inputs of the model; the target, and columns that the model was
    not trained with, are ignored. What it does not say of `rename`, `types`, `dates` and `missing` is as in the
    pipeline's `source`, but for the target."""
    output: AnyOutput
    """Where the scored rows go."""
    version: Literal["production"] | Annotated[int, Field(ge=1)] = "production"
    """`production`: the version that the alias names when a run starts. A number: this version."""
    when_drifted: Literal["warn", "fail"] = "warn"
    """If the rows have drifted from those that the version was trained on (limits under `drift`)."""
    reasons: Annotated[int, Field(ge=0, le=10)] = 0
    """Inputs that count most for the answer to each row, by SHAP values; only for ensembles of trees, which then take
    longer."""
    batch_rows: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """Rows that the model is asked at a time; fewer take less memory."""


def with_inherited(document: dict[str, Any]) -> dict[str, Any]:
    """Return a pipeline's document in which `scoring.source` reads its columns as `source` does.

    >>> with_inherited({"source": {"missing": ["?"]}, "scoring": {"source": {"KIND": "csv"}}})["scoring"]["source"]
    {'KIND': 'csv', 'missing': ['?']}
    """
    scoring, source, columns = (document.get(name) for name in ("scoring", "source", "columns"))
    if not isinstance(scoring, dict) or not isinstance(source, dict):
        return document
    own = scoring.get("source")
    if not isinstance(own, dict):
        return document
    target = columns.get("target") if isinstance(columns, dict) else None
    given = {name: _without(source[name], target) for name in INHERITED if name in source and name not in own}
    return {**document, "scoring": {**scoring, "source": {**own, **given}}}


def _without(value: Any, target: Any) -> Any:
    """Return a mapping without what it says of the target, which rows to score do not have; a list as it is."""
    if not isinstance(value, dict):
        return value
    return {name: said for name, said in value.items() if target is None or target not in (name, said)}
