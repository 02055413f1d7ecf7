"""Readers: a source's rows as one typed table, and where they came from."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import fsspec
from pydantic import Field

from trainer.data.sources import is_absent
from trainer.data.typing import apply_types
from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.pipeline import AnySource, CsvSource, ParquetSource, SampleSource, Source, did_you_mean

if TYPE_CHECKING:
    import polars as pl

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lineage:
    """Where rows came from.

    >>> Lineage("s3://lake/houses.csv", "csv", datetime(2026, 1, 4, tzinfo=UTC)).kind
    'csv'
    """

    source: str
    kind: str
    changed_at: datetime


class Reader(Source, ABC):
    """What yields a table: `read` gives the rows, `lineage` says where they come from."""

    @abstractmethod
    def read(self) -> pl.DataFrame:
        """All rows, renamed and typed. Raises DataValidationError where they cannot be read."""

    @abstractmethod
    def lineage(self) -> Lineage:
        """The source's address and when it last changed (UTC)."""

    def _named_and_typed(self, frame: pl.DataFrame, name: str) -> pl.DataFrame:
        absent = [column for column in self.rename if column not in frame.columns]
        if absent:
            raise DataValidationError(
                f"{name}: columns to rename are missing: {', '.join(absent)}{did_you_mean(absent[0], frame.columns)}"
            )
        return apply_types(frame.rename(self.rename), self.types, name)


class CsvReader(CsvSource, Reader):
    """Reads a CSV file from any fsspec address.

    >>> CsvReader(uri="file:///data/houses.csv", missing=["NA"]).KIND
    'csv'
    """

    def read(self) -> pl.DataFrame:
        import polars as pl

        published = {new: old for old, new in self.rename.items()}
        as_text = {published.get(column, column): pl.String for column in self.types}
        with open_source(self.uri) as file:
            try:
                frame = pl.read_csv(
                    file,
                    separator=self.separator,
                    null_values=self.missing,
                    schema_overrides=as_text,
                    infer_schema_length=None,
                    try_parse_dates=True,
                )
            except pl.exceptions.PolarsError as error:
                raise DataValidationError(f"{self.uri}: cannot be read as CSV: {error}") from error
        return self._named_and_typed(frame, self.uri)

    def lineage(self) -> Lineage:
        return Lineage(self.uri, self.KIND, _changed_at(self.uri))


class ParquetReader(ParquetSource, Reader):
    """Reads a Parquet file from any fsspec address."""

    def read(self) -> pl.DataFrame:
        import polars as pl

        with open_source(self.uri) as file:
            try:
                frame = pl.read_parquet(file, columns=self.columns or None)
            except (pl.exceptions.PolarsError, OSError) as error:
                raise DataValidationError(f"{self.uri}: cannot be read as Parquet: {error}") from error
        return self._named_and_typed(_blank_to_missing(frame, self.missing), self.uri)

    def lineage(self) -> Lineage:
        return Lineage(self.uri, self.KIND, _changed_at(self.uri))


class SampleReader(SampleSource, Reader):
    """Generates a built-in sample.

    >>> SampleReader(rows=1000, seed=7).read().height
    1000
    """

    def read(self) -> pl.DataFrame:
        from trainer.data.telco import generate_telco

        frame = generate_telco(self.rows, self.seed, self.drift).frame
        return self._named_and_typed(_blank_to_missing(frame, self.missing), self._address)

    def lineage(self) -> Lineage:
        return Lineage(self._address, self.KIND, datetime.now(UTC))

    @property
    def _address(self) -> str:
        return f"sample://{self.sample}?rows={self.rows}&seed={self.seed}&drift={self.drift:g}"


AnyReader = Annotated[CsvReader | ParquetReader | SampleReader, Field(discriminator="KIND")]

READERS: dict[str, type[CsvReader | ParquetReader | SampleReader]] = {
    "csv": CsvReader,
    "parquet": ParquetReader,
    "sample": SampleReader,
}


def reader_for(source: AnySource) -> CsvReader | ParquetReader | SampleReader:
    """The reader that a source's KIND names."""
    return READERS[source.KIND].model_validate(source.model_dump())


def open_source(uri: str) -> Any:
    """A source opened for reading bytes; raises DataValidationError where it cannot be, TrainerError on no answer."""
    try:
        return fsspec.open(uri, "rb").open()
    except FileNotFoundError as error:
        raise _not_found(uri, error) from error
    except (OSError, PermissionError) as error:
        raise DataValidationError(f"{uri}: cannot be read: {error}") from error
    except (ValueError, ImportError) as error:
        raise ConfigurationError(f"source.uri {uri!r}: {error}") from error


def _changed_at(uri: str) -> datetime:
    """When the file last changed; a server that does not say counts as now."""
    filesystem, path = fsspec.core.url_to_fs(uri)
    try:
        changed: datetime = filesystem.modified(path)
    except (NotImplementedError, KeyError):
        logger.warning("%s: its server does not say when it last changed; it counts as fresh", uri)
        return datetime.now(UTC)
    except FileNotFoundError as error:
        raise _not_found(uri, error) from error
    return changed if changed.tzinfo else changed.replace(tzinfo=UTC)


def _not_found(uri: str, error: FileNotFoundError) -> TrainerError:
    if not is_absent(uri, error):
        return TrainerError(f"{uri}: cannot be reached: {error.__cause__}")
    return DataValidationError(f"{uri}: there is no such file; `make data` fetches the published data sets")


def _blank_to_missing(frame: pl.DataFrame, missing: list[str]) -> pl.DataFrame:
    """The frame with the texts that mean a missing value (the empty one too) replaced by missing values."""
    import polars as pl
    import polars.selectors as cs

    return frame.with_columns(pl.when(cs.string().is_in(["", *missing])).then(None).otherwise(cs.string()).name.keep())
