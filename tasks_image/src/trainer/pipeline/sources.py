"""The part of a pipeline that says where its rows come from."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from trainer.addresses import secret_in
from trainer.pipeline.own_code import Commit, InsideRepository, Ref, RepositoryAddress
from trainer.pipeline.spec import Spec

ColumnType = Literal[
    "string", "integer", "float", "boolean", "date", "datetime", "date_day_first", "date_month_first",
    "datetime_day_first", "datetime_month_first",
]  # fmt: skip
"""Dates with the year last, such as 03/04/2026, have an order; without, it has to be evident from the values."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ConnectionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
"""An Airflow connection; a step finds it in the variable `TRAINER_CONNECTION_` and the name in capitals."""
FileFormat = Literal["csv", "parquet", "jsonl"]
SampleName = Literal["telco", "housing", "bikes", "digits", "articles"]
FORMATS: dict[str, FileFormat] = {
    ".csv": "csv", ".csv.gz": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip
"""What files hold, by how their names end."""
ENDINGS_OF_IMAGES = {"idx": ("-ubyte", "-ubyte.gz"), "image_folder": (".png", ".jpg", ".jpeg")}
ENDINGS_OF_TEXTS = {"text": (".txt", ".text", ".md")}


def endings_of(kind: str) -> tuple[str, ...]:
    """How the names of files of a format end.

    >>> endings_of("parquet")
    ('.parquet', '.pq')
    """
    known = {**ENDINGS_OF_IMAGES, **ENDINGS_OF_TEXTS}
    return known.get(kind) or tuple(ending for ending, held in FORMATS.items() if held == kind)


def _without_secret(uri: str) -> str:
    if found := secret_in(uri):
        raise ValueError(
            f"holds {found}, which would be kept with every run; take it out of the address and put credentials into "
            "a connection (for S3 the environment's `aws_connection`, by hand AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY)"
        )
    return uri


Uri = Annotated[str, StringConstraints(min_length=1), AfterValidator(_without_secret)]
"""A path or an address, without a secret in it."""


class DateParts(Spec):
    """The columns (renamed) that a date is built from, each of whole numbers."""

    year: str
    month: str
    day: str | None = None
    """By default the first of the month."""
    hour: str | None = None
    """With it, the column is a datetime."""
    minute: str | None = None

    @property
    def columns(self) -> list[str]:
        """All columns that are named, each once."""
        parts = (self.year, self.month, self.day, self.hour, self.minute)
        return [part for part in dict.fromkeys(parts) if part is not None]

    @model_validator(mode="after")
    def _no_minute_alone(self) -> Self:
        if (self.minute and not self.hour) or (self.hour and not self.day):
            raise ValueError("a minute needs an hour, and an hour a day")
        return self


class Source(Spec):
    """What every source can say about the table that it yields."""

    rename: dict[str, str] = {}
    """Column names as published, and what they are called from here on."""
    types: dict[str, ColumnType] = {}
    """Types of columns (renamed) that must not be guessed; a value that does not fit is an error. A `datetime` with a
    time zone becomes the same instant in UTC."""
    dates: dict[str, DateParts] = {}
    """Dates that stand in several columns, by the new column's name, such as `{seen: {year: y, month: m, day: d}}`.
    They are built after `rename` and `types`."""
    missing: list[str] = []
    """Texts that mean a missing value, beside the empty one."""
    where: str = ""
    """The rows to keep, as a condition in SQL over the columns, renamed and typed; all by default."""

    @property
    def reading(self) -> dict[str, Any]:
        """What every source can say, as this one says it: for another place whose rows are to be read alike."""
        return {name: getattr(self, name) for name in Source.model_fields}

    @property
    def declared(self) -> set[str]:
        """Columns that it names, as they are called from here on."""
        return {*self.types, *self.rename.values(), *self.dates}

    @model_validator(mode="after")
    def _each_its_own_name(self) -> Self:
        twice = [name for name, times in Counter(self.rename.values()).items() if times > 1]
        if twice:
            old = ", ".join(repr(name) for name, new in self.rename.items() if new == twice[0])
            raise ValueError(f"rename: {old} would all be called {twice[0]!r}; give each its own name")
        return self


class FileSource(Source):
    """Rows in files, of which something else says where they are."""

    format: FileFormat | None = None
    """What the files hold; by default as their names end."""
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    """Between the fields of a CSV file."""
    columns: list[str] = []
    """Columns to read from Parquet files, as published; by default all but the index of pandas."""

    @property
    def declared(self) -> set[str]:
        return super().declared | {self.rename.get(column, column) for column in self.columns}

    def format_of(self, name: str) -> FileFormat:
        """What a file of that name holds. Raises ValueError where neither the source nor the name says it."""
        ending = next((ending for ending in FORMATS if name.lower().endswith(ending)), None)
        if self.format is None and ending is None:
            raise ValueError(f"{name}: no telling what it holds by its name; say `format: csv`, `parquet` or `jsonl`")
        return self.format or FORMATS[str(ending)]


class StoredSource(Source):
    """Rows in files: one file, a folder or a glob, by path or address."""

    KIND: FileFormat | Literal["idx", "image_folder", "text"]
    uri: Uri
    sha256: Sha256 | None = None
    """The checksum that the file must have, for data that must not change unnoticed; of one file only."""
    sample: SampleName | None = None
    """The built-in sample that stands in for the data where the environment allows one."""

    @property
    def pattern(self) -> str:
        """The address that its files are found by."""
        return self.uri

    @model_validator(mode="after")
    def _checksum_of_one_file(self) -> Self:
        if self.sha256 is not None and self.KIND in ENDINGS_OF_IMAGES:
            raise ValueError(f"sha256: is of one file, and KIND: {self.KIND} reads several; remove it")
        return self


class CsvSource(StoredSource):
    """Rows in CSV files: one file, a folder or a glob, by path or address."""

    KIND: Literal["csv"] = "csv"
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","


class ParquetSource(StoredSource):
    """Rows in Parquet files: one file, a folder or a glob, by path or address."""

    KIND: Literal["parquet"] = "parquet"
    columns: list[str] = []
    """Columns to read, as published; by default all but the index of pandas."""

    @property
    def declared(self) -> set[str]:
        return super().declared | {self.rename.get(column, column) for column in self.columns}


class JsonLinesSource(StoredSource):
    """Rows in files of JSON Lines: an object in each line, whose keys are the columns."""

    KIND: Literal["jsonl"] = "jsonl"


class TextSource(StoredSource):
    """Documents in plain text files (UTF-8): one file, a folder or a glob, by path or address.

    The columns are `id` (the part and the document's place in it), `part` and `text`. The part is the name of the file
    without its ending, such as `train`; where each file is a document it is the name of its folder.
    """

    KIND: Literal["text"] = "text"
    documents: Literal["articles", "blocks", "files"] = "blocks"
    """`articles`: a heading `= Title =` begins one, as in WikiText. `blocks`: blank lines divide them. `files`: each is
    one."""


def _one_select(query: str) -> str:
    text = re.sub(r"^(\s|\(|--.*\n|/\*(.|\n)*?\*/)+", "", query)
    if not re.match(r"(select|with)\b", text, re.IGNORECASE):
        raise ValueError(f"{query[:40]!r} is no SELECT, which alone is read")
    return query


class PostgresSource(Source):
    """Rows of a table, or of a query, in PostgreSQL."""

    KIND: Literal["postgres"] = "postgres"
    connection: ConnectionName
    """The Airflow connection with the server's address, database, user and password."""
    table: Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)?$")] | None = None
    """`table` or `schema.table`; capitals count."""
    query: Annotated[str, AfterValidator(_one_select)] | None = None
    """One SELECT, in place of a table; with ORDER BY, equal rows give a snapshot of the same digest."""

    @model_validator(mode="after")
    def _table_or_query(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either `table` or `query`")
        return self


def _s3_address(uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise ValueError(f"{uri!r} is no address of objects in S3: s3://bucket/key")
    return uri


class S3Source(FileSource):
    """Rows in objects of S3, or of another store that speaks its protocol."""

    KIND: Literal["s3"] = "s3"
    uri: Annotated[Uri, AfterValidator(_s3_address)]
    """`s3://bucket/key`: one object, a prefix that ends with `/`, or a glob."""
    connection: ConnectionName | None = None
    """The Airflow connection (AWS) with the credentials; by default the environment's."""
    endpoint: Uri | None = None
    """The store's address, where it is not AWS and the connection does not say it."""
    sha256: Sha256 | None = None
    """The checksum that the object must have; of one object only."""


def _http_address(address: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"{address!r} is no address of a web server: https://host/file.csv")
    return address


class HttpSource(FileSource):
    """Rows in a file on a web server, pinned by its checksum."""

    KIND: Literal["http"] = "http"
    address: Annotated[Uri, AfterValidator(_http_address)]
    sha256: Sha256


class DvcSource(FileSource):
    """Rows in a file or a folder that a Git repository pins with DVC."""

    KIND: Literal["dvc"] = "dvc"
    repository: RepositoryAddress
    """Address of a git repository, without a login: https://, http:// or file://."""
    revision: Ref = "main"
    """A branch, a tag or a commit (all its 40 digits); each run resolves it once, when it starts."""
    commit: Commit | None = None
    """The commit that is read; a run's frozen file has it, and one that is given is read whatever `revision` says."""
    path: InsideRepository
    """The file or folder in the repository, as DVC tracks it."""
    remote: str | None = None
    """The DVC remote that has the data; by default the repository's own default."""
    connection: ConnectionName | None = None
    """The Airflow connection (AWS) with the credentials of the remote; by default the environment's."""


class SampleSource(Source):
    """Rows from a seeded generator: the same number and seed give the same rows everywhere."""

    KIND: Literal["sample"] = "sample"
    sample: SampleName = "telco"
    rows: Annotated[int, Field(ge=100)] | None = None
    """By default as many as the published file has."""
    seed: int = 42
    drift: Annotated[float, Field(ge=0)] = 0.0
    """How far numeric columns are shifted, in standard deviations."""


class IdxSource(StoredSource):
    """Images and labels in IDX files, as MNIST is published: `train-images-idx3-ubyte.gz` and so on in one folder.

    The columns are `id`, `set` (`train`, `t10k`), `image` (its pixels) and `label`.
    """

    KIND: Literal["idx"] = "idx"


class ImageFolderSource(StoredSource):
    """PNG and JPEG files in one folder for each class: `uri/CLASS/NAME.png`.

    The columns are `id` (class and name), `image` (the file) and `label` (the class).
    """

    KIND: Literal["image_folder"] = "image_folder"

    @property
    def pattern(self) -> str:
        return self.uri if "*" in self.uri else f"{self.uri.rstrip('/')}/*/*"


AnySource = Annotated[
    CsvSource
    | ParquetSource
    | IdxSource
    | ImageFolderSource
    | JsonLinesSource
    | TextSource
    | PostgresSource
    | S3Source
    | HttpSource
    | DvcSource
    | SampleSource,
    Field(discriminator="KIND"),
]
