"""Readers: a source's rows as one typed table, and where they came from."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from trainer.data.csv_text import check_header, check_rows, plain_text, why_not
from trainer.data.samples import SAMPLES, generate_sample
from trainer.data.source_file import changed_at, read_source
from trainer.data.typing import apply_types
from trainer.errors import DataValidationError
from trainer.pipeline import AnySource, CsvSource, ParquetSource, SampleSource, Source, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

PARQUET = b"PAR1"
"""The first and the last bytes of a Parquet file."""


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
                f"{name}: columns to rename are missing: {', '.join(absent)}{did_you_mean(absent[0], frame.columns)}; "
                "mend the data or `source.rename`"
            )
        clashing = [new for new in self.rename.values() if new in frame.columns and new not in self.rename]
        if clashing:
            raise DataValidationError(
                f"{name}: source.rename gives columns a name that another one has already: {', '.join(clashing)}; "
                "choose another name, or rename that one too"
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
        text = plain_text(read_source(self.uri, self.sha256), self.uri)
        check_header(text, self.separator, set(self.rename), self.uri)
        try:
            frame = pl.read_csv(
                text,
                separator=self.separator,
                null_values=self.missing,
                schema_overrides=as_text,
                infer_schema_length=None,
                try_parse_dates=True,
            )
        except pl.exceptions.PolarsError as error:
            raise why_not(text, self.separator, self.uri, error) from error
        frame = check_rows(frame, text, self.separator, self.uri)
        return self._named_and_typed(frame, self.uri)

    def lineage(self) -> Lineage:
        return Lineage(self.uri, self.KIND, changed_at(self.uri))


class ParquetReader(ParquetSource, Reader):
    """Reads a Parquet file from any fsspec address."""

    def read(self) -> pl.DataFrame:
        import polars as pl

        content = read_source(self.uri, self.sha256)
        try:
            schema = pl.read_parquet_schema(io.BytesIO(content))
            self._refuse_absent(schema)
            frame = pl.read_parquet(io.BytesIO(content), columns=self.columns or None)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise DataValidationError(
                f"{self.uri}: cannot be read as Parquet: {_why_no_parquet(content, error)}"
            ) from error
        return self._named_and_typed(_blank_to_missing(frame, self.missing), self.uri)

    def lineage(self) -> Lineage:
        return Lineage(self.uri, self.KIND, changed_at(self.uri))

    def _refuse_absent(self, schema: Mapping[str, pl.DataType]) -> None:
        absent = [column for column in self.columns if column not in schema]
        if absent:
            raise DataValidationError(
                f"{self.uri}: columns to read are missing: {', '.join(absent)}{did_you_mean(absent[0], schema)}; "
                "mend the data or `source.columns`"
            )


class SampleReader(SampleSource, Reader):
    """Generates a built-in sample.

    >>> SampleReader(rows=1000, seed=7).read().height
    1000
    """

    def read(self) -> pl.DataFrame:
        frame = generate_sample(self.sample, self._rows, self.seed, self.drift)
        return self._named_and_typed(_blank_to_missing(frame, self.missing), self._address)

    def lineage(self) -> Lineage:
        return Lineage(self._address, self.KIND, datetime.now(UTC))

    @property
    def _rows(self) -> int:
        return self.rows or SAMPLES[self.sample].published_rows

    @property
    def _address(self) -> str:
        return f"sample://{self.sample}?rows={self._rows}&seed={self.seed}&drift={self.drift:g}"


AnyReader = Annotated[CsvReader | ParquetReader | SampleReader, Field(discriminator="KIND")]

READERS: dict[str, type[CsvReader | ParquetReader | SampleReader]] = {
    "csv": CsvReader,
    "parquet": ParquetReader,
    "sample": SampleReader,
}


def reader_for(source: AnySource) -> CsvReader | ParquetReader | SampleReader:
    """The reader that a source's KIND names."""
    return READERS[source.KIND].model_validate(source.model_dump())


def _why_no_parquet(content: bytes, error: BaseException) -> str:
    if content.startswith(PARQUET) and not content.endswith(PARQUET):
        return f"it was cut off after {len(content):,} bytes, before its footer; fetch or write it again"
    return f"{str(error).splitlines()[0]}; fetch or write it again"


def _blank_to_missing(frame: pl.DataFrame, missing: list[str]) -> pl.DataFrame:
    """The frame with the texts that mean a missing value (the empty one too) replaced by missing values."""
    import polars as pl
    import polars.selectors as cs

    return frame.with_columns(pl.when(cs.string().is_in(["", *missing])).then(None).otherwise(cs.string()).name.keep())
