"""The part of a pipeline that says what rows mean, what must hold of them and how they are split."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from trainer.pipeline.spec import Spec

Fraction = Annotated[float, Field(gt=0, lt=1)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Columns(Spec):
    """The roles of columns; every column without one is an input of the model."""

    target: str
    id: str | None = None
    positive: str | int | float | bool | None = None
    """The target's value that is the positive class (binary classification), however it is written: 1 is 1.0, true is
    "True", and blanks around a text do not count."""
    time: str | None = None
    """When a row was observed; never an input, but expressions of features may use it."""
    exclude: list[str] = []
    """Columns that must not be inputs, such as those that leak the target; expressions of features may use them."""

    @property
    def not_inputs(self) -> set[str]:
        """Names of all columns that the model must not see."""
        return {*self.named}

    @property
    def never_used(self) -> dict[str, str]:
        """Columns that nothing may be computed from, and what each is."""
        return {self.target: "the target"} | ({self.id: "the id"} if self.id else {})

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


class GivenSplit(Split):
    """The test rows are those that a column names, as published data sets have them.

    So are the validation rows where `validation_values` names any, else they are drawn from the other rows by a hash of
    the id, as `hash` draws them. `test` does not count.
    """

    KIND: Literal["column"] = "column"
    column: str
    test_values: Annotated[list[str], Field(min_length=1)]
    """What the column holds in test rows."""
    validation_values: list[str] = []
    """The values of validation rows; without any, `validation` is their share."""


class GroupSplit(Split):
    """Rows of one group, such as a customer's, are in one part: it follows from a hash of the column's value.

    A group keeps its part in every later snapshot, and `validation` and `test` are shares of the groups. Tuning keeps
    the rows of a group in one fold as well.
    """

    KIND: Literal["group"] = "group"
    column: str


AnySplit = Annotated[HashSplit | RandomSplit | TimeSplit | GivenSplit | GroupSplit, Field(discriminator="KIND")]
