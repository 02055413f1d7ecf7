"""The split by time: the newest rows are for testing, those before them for validation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError
from trainer.tables.parts import check_parts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from trainer.pipeline import TimeSplit

    Rows = npt.NDArray[np.int64]

MICROSECONDS_PER_HOUR = 3_600_000_000


def split_by_time(split: TimeSplit, labels: pl.Series | None, times: pl.Series | None) -> pl.Series:
    """Return the part of each row (n,) by its time (n,), a date or datetime; an id may well come again later.

    Raises DataValidationError if a part is empty, or a class is absent from one; ConfigurationError without times.

    >>> import polars as pl
    >>> from trainer.pipeline import TimeSplit
    >>> days = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 1, 5), eager=True)
    >>> split_by_time(TimeSplit(validation_hours=24, test_hours=48), None, days).to_list()
    ['train', 'train', 'validation', 'test', 'test']
    """
    if times is None:
        raise ConfigurationError("split: KIND: time needs the time of each row: name it under `columns.time`")
    moments = _microseconds(times).to_numpy()
    test_from = _start(moments, int(moments.max()) + 1, split.test_hours, split.test)
    validation_from = _start(moments, test_from, split.validation_hours, split.validation)
    parts = _parts(moments, validation_from, test_from)
    check_parts(parts, labels)
    return parts


def split_after(split: TimeSplit, newest: datetime, labels: pl.Series | None, times: pl.Series) -> pl.Series:
    """Return the part of each row (n,), where all that are newer than a moment are test rows.

    However many these are, the older ones are shared out as ever between training and validation.
    Raises DataValidationError if a part is empty, or a class is absent from one.
    """
    moments, test_from = _microseconds(times).to_numpy(), _moment(newest) + 1
    older, share = moments[moments < test_from], split.validation / (1 - split.test)
    if not older.size:
        raise DataValidationError(
            f"split: all {len(times)} rows are newer than {newest}, up to which production has learned, so none is "
            "left to learn from; give the table its earlier rows, or say `refit: validation`"
        )
    parts = _parts(moments, _start(older, test_from, split.validation_hours, share), test_from)
    check_parts(parts, labels, "wait for more rows of that class, or say `refit: validation`")
    return parts


def rows_newer_than(newest: datetime, times: pl.Series) -> int:
    """Count the times (n,), dates or datetimes, that are newer than a moment."""
    return int((_microseconds(times) > _moment(newest)).sum())


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


def _start(moments: Rows, end: int, hours: float | None, share: float) -> int:
    """From when on a part goes that ends before `end`: so many hours, or the newest rows, a share of all of them."""
    import numpy as np

    if hours is not None:
        return end - round(hours * MICROSECONDS_PER_HOUR)
    before = np.sort(moments[moments < end])
    rows = max(1, round(share * len(moments)))
    return int(before[-rows]) if rows <= len(before) else end


def _parts(moments: Rows, validation_from: int, test_from: int) -> pl.Series:
    import numpy as np
    import polars as pl

    places = np.digitize(moments, [validation_from, test_from])
    return pl.Series("__part__", np.array(["train", "validation", "test"])[places])
