"""The part of a pipeline that says where rows come from, what they mean and what must hold of them."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from trainer.addresses import secret_in
from trainer.pipeline.spec import Spec

ColumnType = Literal["string", "integer", "float", "boolean", "date", "datetime"]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _without_secret(uri: str) -> str:
    if found := secret_in(uri):
        raise ValueError(
            f"holds {found}, which would be kept with every run; take it out of the address and put credentials into "
            "a connection (for S3 the environment's `aws_connection`, by hand AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY)"
        )
    return uri


Uri = Annotated[str, AfterValidator(_without_secret)]
"""A path or an address, without a secret in it."""


SampleName = Literal["telco", "housing"]


class Source(Spec):
    """What every source can say about the table that it yields."""

    rename: dict[str, str] = {}
    """Column names as published, and what they are called from here on."""
    types: dict[str, ColumnType] = {}
    """Types of columns (renamed) that must not be guessed; a value that does not fit is an error."""
    missing: list[str] = []
    """Texts that mean a missing value, beside the empty one."""
    sample: SampleName | None = None
    """The built-in sample that stands in for the data where the environment allows one."""

    @model_validator(mode="after")
    def _each_its_own_name(self) -> Self:
        twice = [name for name, times in Counter(self.rename.values()).items() if times > 1]
        if twice:
            old = ", ".join(repr(name) for name, new in self.rename.items() if new == twice[0])
            raise ValueError(f"rename: {old} would all be called {twice[0]!r}; give each its own name")
        return self


class CsvSource(Source):
    """Rows in a CSV file, by path or address."""

    KIND: Literal["csv"] = "csv"
    uri: Uri
    sha256: Sha256 | None = None
    """The checksum that the file must have, for data that must not change unnoticed."""
    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","


class ParquetSource(Source):
    """Rows in a Parquet file, by path or address."""

    KIND: Literal["parquet"] = "parquet"
    uri: Uri
    sha256: Sha256 | None = None
    """The checksum that the file must have, for data that must not change unnoticed."""
    columns: list[str] = []
    """Columns to read, as published; all by default."""


class SampleSource(Source):
    """Rows from a seeded generator: the same number and seed give the same rows everywhere."""

    KIND: Literal["sample"] = "sample"
    sample: SampleName = "telco"
    rows: Annotated[int, Field(ge=100)] | None = None
    """By default as many as the published file has."""
    seed: int = 42
    drift: Annotated[float, Field(ge=0)] = 0.0
    """How far numeric columns are shifted, in standard deviations."""


AnySource = Annotated[CsvSource | ParquetSource | SampleSource, Field(discriminator="KIND")]


class Columns(Spec):
    """The roles of columns; every column without one is an input of the model."""

    target: str
    id: str | None = None
    positive: str | int | bool | None = None
    """The target's value that is the positive class (binary classification)."""
    time: str | None = None
    """When a row was observed; never an input."""
    exclude: list[str] = []
    """Columns that must not be inputs, such as those that leak the target."""

    @property
    def not_inputs(self) -> set[str]:
        """Names of all columns that the model must not see."""
        return {*self.named}

    @property
    def named(self) -> list[str]:
        """Names of all columns that have a role."""
        return [self.target, *self.exclude, *(name for name in (self.id, self.time) if name)]


Dimension = Literal["completeness", "validity", "distribution", "consistency", "uniqueness", "freshness"]
Severity = Literal["critical", "warning"]


class Check(Spec):
    """One Great Expectations expectation, what it protects and what its failure means."""

    check: Annotated[str, StringConstraints(pattern=r"^expect_[a-z_]+$")]
    dimension: Dimension
    severity: Severity = "critical"
    of: Literal["rows", "source"] = "rows"
    """`rows`: the snapshot. `source`: one row of facts about it (rows, columns, age_days, newest_row_age_days)."""
    kwargs: dict[str, Any] = {}


class Drift(Spec):
    """Effect sizes above which a column counts as drifted, if chance alone does not explain them."""

    ks: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Kolmogorov-Smirnov D, numeric columns."""
    psi: Annotated[float, Field(gt=0)] = 0.25
    wasserstein: Annotated[float, Field(gt=0)] = 0.1
    """In standard deviations of the reference, numeric columns."""
    jensen_shannon: Annotated[float, Field(gt=0, le=1)] = 0.1
    """As a distance, base 2."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.3
    """The share of columns that have to drift for the data set to count as drifted."""
    when_drifted: Literal["warn", "fail"] = "warn"
    report_rows: Annotated[int, Field(ge=100)] = 5000
    """Rows of each side in the HTML report; the verdict always uses all rows."""


class Split(Spec):
    """The shares of rows held out; the rest is for training."""

    validation: Fraction = 0.15
    test: Fraction = 0.15
    seed: int = 42


class HashSplit(Split):
    """Each row's part follows from a hash of its id (else its content), so it keeps it in every later snapshot."""

    KIND: Literal["hash"] = "hash"


class RandomSplit(Split):
    """A seeded shuffle, as scikit-learn does it: first the test rows, then the validation rows from what is left."""

    KIND: Literal["random"] = "random"
    stratify: bool = False
    """Keep the class proportions in every part."""


class TimeSplit(Split):
    """By `columns.time`: the newest rows are for testing, those before them for validation. Nothing is shuffled.

    Rows of the same time stay together. Tuning then tries each fold on what came after the rows that it learned from.
    """

    KIND: Literal["time"] = "time"
    validation_hours: Annotated[float, Field(gt=0)] | None = None
    """The last hours before the test rows, in place of a share of the rows."""
    test_hours: Annotated[float, Field(gt=0)] | None = None
    """The last hours up to the newest row, in place of a share of the rows."""


AnySplit = Annotated[HashSplit | RandomSplit | TimeSplit, Field(discriminator="KIND")]
