"""The rows that production has learned from: its snapshot, and the parts of its rows."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import polars as pl

    from trainer.registry.versions import Reference

TO_MEND = (
    "bring the file back, or move the alias `production` to a version whose snapshot is there; "
    "a production without its reference is not taken for none"
)


@contextlib.contextmanager
def reference_rows(reference: Reference) -> Iterator[pl.LazyFrame]:
    """The reference's rows, if the file still is what was registered, for as long as the block lasts.

    Raises DataValidationError where it is not there, or is another one.
    """
    import polars as pl

    from trainer.tables.parquet import file_digest

    name = f"drift reference of {reference.role}'s version {reference.version}"
    if not reference.snapshot or not reference.digest:
        raise DataValidationError(f"{name}: the version does not say on which snapshot it was trained; {TO_MEND}")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "snapshot.parquet"
        _fetch(reference.snapshot, file, name)
        digest = file_digest(file)
        if digest != reference.digest:
            raise DataValidationError(
                f"{name}: {reference.snapshot} is not the file that it was trained on: its SHA-256 is {digest}, "
                f"registered is {reference.digest}; {TO_MEND}"
            )
        try:
            rows = pl.scan_parquet(file)
            rows.collect_schema()
        except pl.exceptions.PolarsError as error:
            raise DataValidationError(f"{name}: {reference.snapshot} is no Parquet file: {error}; {TO_MEND}") from error
        yield rows


def _fetch(uri: str, file: Path, name: str) -> None:
    import fsspec

    try:
        with fsspec.open(uri, "rb") as source, file.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (ConnectionError, TimeoutError):
        raise  # may pass: the step is retried
    except (OSError, ValueError, ImportError) as error:
        raise DataValidationError(f"{name}: {uri} cannot be read: {error}; {TO_MEND}") from error


def known_keys(reference: Reference) -> pl.DataFrame:
    """The key and the part of each row of the reference's snapshot, in its order.

    Raises DataValidationError without such a record, or where it is not the one that was registered.
    """
    import fsspec
    import polars as pl

    if not reference.keys:
        raise DataValidationError(
            f"{reference.role} version {reference.version} has no record of the rows that it was trained on, so no "
            "test row is known to be new to it; move the alias to a version that a run of this pipeline has registered"
        )
    try:
        with fsspec.open(reference.keys, "rb") as file:
            content = file.read()
        _refuse_other_keys(reference, content)
        return pl.read_parquet(content)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataValidationError(
            f"the rows that {reference.role} version {reference.version} was trained on cannot be read from "
            f"{reference.keys!r}: {error}; bring the file back, or move the alias to a version that has one"
        ) from error


def _refuse_other_keys(reference: Reference, content: bytes) -> None:
    found = sha256(content).hexdigest()
    if reference.keys_digest and found != reference.keys_digest:
        raise DataValidationError(
            f"{reference.keys} is not the record of the rows that {reference.role} version {reference.version} was "
            f"trained on: its SHA-256 is {found}, registered is {reference.keys_digest}; {TO_MEND}"
        )


def learned_until(reference: Reference, rows: pl.LazyFrame, time: str) -> datetime:
    """The newest time among the rows (n) of a reference's snapshot that it was trained or tuned on.

    Raises DataValidationError where the snapshot has no such column of dates or datetimes.
    """
    from datetime import datetime

    import polars as pl

    from trainer.tables.handover import PART

    schema = rows.collect_schema()
    if time not in schema or schema[time] not in (pl.Date, pl.Datetime):
        found = f"it is {schema[time]}" if time in schema else f"it has none{did_you_mean(time, list(schema))}"
        raise DataValidationError(
            f"refit: everything needs the dates or datetimes under {time!r} in the snapshot of production version "
            f"{reference.version}, and {found}; run once with `refit: validation`, until a version of it is production"
        )
    times = rows.select(pl.col(time).cast(pl.Datetime("us"))).collect().to_series()
    learned = known_keys(reference)[PART] != "test"
    newest = times.filter(learned).max() if len(learned) == len(times) else None
    if not isinstance(newest, datetime):
        raise DataValidationError(
            f"{reference.keys} does not belong to the {len(times)} rows of {reference.snapshot}: it is not known until "
            f"when production version {reference.version} has learned; {TO_MEND}"
        )
    return newest
