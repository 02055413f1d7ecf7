"""Splitters: which rows a model is trained on, chosen by, and judged on."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import AnySplit, HashSplit, RandomSplit, TimeSplit
from trainer.pipeline.data import Split

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Rows = npt.NDArray[np.int64]

PARTS = ("train", "validation", "test")
HASH_BYTES = 8
SALT_BYTES = 16
MICROSECONDS_PER_HOUR = 3_600_000_000


class Splitter(Split, ABC):
    """What gives every row its part."""

    def split(self, keys: pl.Series, labels: pl.Series | None = None, times: pl.Series | None = None) -> pl.Series:
        """The part of each row: "train", "validation" or "test".

        `labels` are the classes of a classification, None for a regression; `times`, dates or datetimes, are what a
        split by time goes by. Raises DataValidationError if a part is empty, or a class is absent from one.
        """
        return self.split_and_count_moved(keys, labels, times)[0]

    @abstractmethod
    def split_and_count_moved(
        self, keys: pl.Series, labels: pl.Series | None = None, times: pl.Series | None = None
    ) -> tuple[pl.Series, int]:
        """The parts, and how many rows were moved to the part of the first row with the same key."""


class KeySplitter(Splitter):
    """A splitter that draws a part for each row; rows with the same key share that of the first."""

    def split_and_count_moved(
        self,
        keys: pl.Series,
        labels: pl.Series | None = None,
        times: pl.Series | None = None,  # noqa: ARG002  (they do not matter)
    ) -> tuple[pl.Series, int]:
        drawn = self._draw(keys, labels)
        parts = _part_of_first(keys, drawn)
        _check_parts(parts, labels)
        return parts, int((parts != drawn).sum())

    @abstractmethod
    def _draw(self, keys: pl.Series, labels: pl.Series | None) -> pl.Series:
        """A part per row, before rows with the same key are brought together."""


class HashSplitter(HashSplit, KeySplitter):
    """A row's part follows from its key and the seed alone, so it keeps it in every later snapshot.

    >>> HashSplitter(test=0.2, validation=0.1).KIND
    'hash'
    """

    def _draw(self, keys: pl.Series, labels: pl.Series | None) -> pl.Series:  # noqa: ARG002  (classes do not matter)
        import numpy as np
        import polars as pl

        salt = self.seed.to_bytes(SALT_BYTES, "little", signed=True)
        digests = (hashlib.blake2b(key.encode(), digest_size=HASH_BYTES, salt=salt).digest() for key in keys)
        uniform = np.frombuffer(b"".join(digests), dtype=">u8") / 2.0 ** (8 * HASH_BYTES)
        place = np.digitize(uniform, [self.test, self.test + self.validation])
        return pl.Series("__part__", np.array(["test", "validation", "train"])[place])


class RandomSplitter(RandomSplit, KeySplitter):
    """scikit-learn's `train_test_split`, twice: first the test rows, then the validation rows from what is left.

    >>> RandomSplitter(test=0.2, stratify=True).KIND
    'random'
    """

    def _draw(self, keys: pl.Series, labels: pl.Series | None) -> pl.Series:
        import numpy as np
        import polars as pl

        parts = np.full(len(keys), "train", dtype=object)
        rest, test = self._split_off(np.arange(len(keys), dtype=np.int64), self.test, labels)
        _, validation = self._split_off(rest, self.validation / (1 - self.test), labels)
        parts[test] = "test"
        parts[validation] = "validation"
        return pl.Series("__part__", parts.tolist(), dtype=pl.String)

    def _split_off(self, rows: Rows, share: float, labels: pl.Series | None) -> list[Rows]:
        from sklearn.model_selection import train_test_split

        classes = labels[rows].to_list() if self.stratify and labels is not None else None
        try:
            split: list[Rows] = train_test_split(rows, test_size=share, random_state=self.seed, stratify=classes)
        except ValueError as error:
            raise DataValidationError(
                f"split: {share:.0%} of {len(rows)} rows cannot be set aside: {error}; use more rows or larger shares"
            ) from error
        return split


class TimeSplitter(TimeSplit, Splitter):
    """The newest rows are for testing, those before them for validation.

    >>> TimeSplitter(test_hours=24, column="hour").KIND
    'time'
    """

    column: str = ""
    """The column with each row's time, for a training job; a pipeline names it under `columns.time`."""

    def split_and_count_moved(
        self,
        keys: pl.Series,  # noqa: ARG002  (an id may well come again later)
        labels: pl.Series | None = None,
        times: pl.Series | None = None,
    ) -> tuple[pl.Series, int]:
        if times is None:
            raise ConfigurationError("split: KIND: time needs the time of each row: name it under `columns.time`")
        parts = self._parts_by_time(_microseconds(times).to_numpy())
        _check_parts(parts, labels)
        return parts, 0

    def split_after(self, newest: datetime, labels: pl.Series | None, times: pl.Series) -> pl.Series:
        """The part of each row, where all that are newer than a moment are test rows.

        However many these are, the older ones are shared out as ever between training and validation.
        Raises DataValidationError if a part is empty, or a class is absent from one.
        """
        moments, test_from = _microseconds(times).to_numpy(), _moment(newest) + 1
        older, share = moments[moments < test_from], self.validation / (1 - self.test)
        if not older.size:
            raise DataValidationError(
                f"split: all {len(times)} rows are newer than {newest}, up to which production has learned, so none is "
                "left to learn from; give the table its earlier rows, or say `refit: validation`"
            )
        parts = _by_time(moments, _start(older, test_from, self.validation_hours, share), test_from)
        _check_parts(parts, labels, "wait for more rows of that class, or say `refit: validation`")
        return parts

    def _parts_by_time(self, moments: Rows) -> pl.Series:
        test_from = _start(moments, int(moments.max()) + 1, self.test_hours, self.test)
        return _by_time(moments, _start(moments, test_from, self.validation_hours, self.validation), test_from)


def _by_time(moments: Rows, validation_from: int, test_from: int) -> pl.Series:
    import numpy as np
    import polars as pl

    places = np.digitize(moments, [validation_from, test_from])
    return pl.Series("__part__", np.array(["train", "validation", "test"])[places])


SPLITTERS: dict[str, type[HashSplitter | RandomSplitter | TimeSplitter]] = {
    "hash": HashSplitter,
    "random": RandomSplitter,
    "time": TimeSplitter,
}


def splitter_for(spec: AnySplit) -> HashSplitter | RandomSplitter | TimeSplitter:
    """The splitter that a split's KIND names."""
    return SPLITTERS[spec.KIND].model_validate(spec.model_dump())


def _microseconds(times: pl.Series) -> pl.Series:
    """Dates or datetimes as microseconds since 1970. Raises DataValidationError for other types and missing times."""
    import polars as pl

    if times.dtype not in (pl.Date, pl.Datetime):
        raise DataValidationError(
            f"columns.time: {times.name!r} is {times.dtype}, and a split by time needs dates or datetimes; give it a "
            "type under source.types"
        )
    if missing := times.null_count():
        raise DataValidationError(
            f"columns.time: {times.name!r} is missing in {missing} of {len(times)} rows; leave those rows out"
        )
    return times.dt.epoch("us")


def _moment(time: datetime) -> int:
    """A time of a column, which has no zone, in microseconds since 1970."""
    return (time - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001


def rows_newer_than(newest: datetime, times: pl.Series) -> int:
    """Count the times (n,), dates or datetimes, that are newer than a moment."""
    return int((_microseconds(times) > _moment(newest)).sum())


def _start(moments: Rows, end: int, hours: float | None, share: float) -> int:
    """From when on a part goes that ends before `end`: so many hours, or the newest rows, a share of all of them."""
    import numpy as np

    if hours is not None:
        return end - round(hours * MICROSECONDS_PER_HOUR)
    before = np.sort(moments[moments < end])
    rows = max(1, round(share * len(moments)))
    return int(before[-rows]) if rows <= len(before) else end


def _part_of_first(keys: pl.Series, parts: pl.Series) -> pl.Series:
    import polars as pl

    drawn = pl.DataFrame({"key": keys, "part": parts})
    return drawn.select(pl.col("part").first().over("key").alias("__part__"))["__part__"]


MORE_OF_A_CLASS = "use more rows of that class, KIND: random with stratify, or another seed"


def _check_parts(parts: pl.Series, labels: pl.Series | None, remedy: str = MORE_OF_A_CLASS) -> None:
    """A part without rows, or without one of the classes, cannot be used to fit, choose or judge."""
    for part in PARTS:
        inside = parts == part
        if not inside.any():
            raise DataValidationError(
                f"split: the part {part!r} is empty, of {len(parts)} rows; use more rows or a larger share for it"
            )
        if labels is None:
            continue
        absent = labels.unique(maintain_order=True).drop_nulls().to_list()
        present = set(labels.filter(inside).unique())
        for label in (one for one in absent if one not in present):
            raise DataValidationError(
                f"split: none of the {(labels == label).sum()} rows of class {label!r} is in the part {part!r} "
                f"({inside.sum()} of {len(parts)} rows); {remedy}"
            )
