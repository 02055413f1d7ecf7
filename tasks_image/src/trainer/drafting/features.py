"""Draft features from columns that are not inputs: dates in several columns, numbers from dates and texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trainer.checks.number_texts import find_numbers
from trainer.errors import DataValidationError
from trainer.pipeline.sources import DateParts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.drafting.column_profile import ColumnProfile

YEAR = re.compile(r"(?P<stem>.*?)[_ ]?(year|yr)", re.IGNORECASE)
WORDS = {"month": ("month", "mon", "mnth"), "day": ("day", "dy", "mday", "day_of_month")}
CENTURIES = (1900, 2100)
OF_DATES = {"month": "EXTRACT(month FROM {0})", "weekday": "EXTRACT(isodow FROM {0})"}
OF_TIMES = {**OF_DATES, "hour": "EXTRACT(hour FROM {0})"}
OF_TEXTS = {"length": "LENGTH({0})"}


def find_dates(frame: pl.DataFrame, target: str) -> dict[str, DateParts]:
    """Return the dates whose year, month and day stand in columns of integers that are named so."""
    from trainer.sources.built_dates import build_dates

    found: dict[str, DateParts] = {}
    for year in frame.columns:
        parts = _parts(year, frame)
        if parts is None or target in parts.columns:
            continue
        name = f"{named['stem']}_date" if (named := YEAR.fullmatch(year)) and named["stem"] else "date"
        try:
            build_dates(frame.lazy(), {name: parts}, "")
        except DataValidationError:
            continue
        found[name] = parts
    return found


def _parts(year: str, frame: pl.DataFrame) -> DateParts | None:
    named = YEAR.fullmatch(year)
    if named is None or not frame[year].dtype.is_integer():
        return None
    rest = {part: _column(named["stem"], words, frame) for part, words in WORDS.items()}
    within = frame[year].drop_nulls().is_between(*CENTURIES).all()
    return DateParts(year=year, **rest) if within and all(rest.values()) else None


def _column(stem: str, words: tuple[str, ...], frame: pl.DataFrame) -> str | None:
    """The column of integers that is called like one of the words, with the same stem in front."""
    wanted = {f"{stem}{mark}{word}".lower() for word in words for mark in (("_", " ", "") if stem else ("",))}
    return next((name for name in frame.columns if name.lower() in wanted and frame[name].dtype.is_integer()), None)


def draft_features(columns: list[ColumnProfile], frame: pl.DataFrame) -> dict[str, str]:
    """Return expressions over dates and long texts, by names that are free; none that has one value in all rows."""
    from trainer.inference.expressions import build

    taken = {*frame.columns}
    drafted: dict[str, str] = {}
    for name, text in _expressions(columns, frame):
        if name in taken or not name.isidentifier() or not name.isascii():
            continue
        values = frame.select(build(text)).to_series()
        if values.n_unique() > 1 and not any(_equal(values, column) for column in frame.iter_columns()):
            drafted[name] = text
    return drafted


def _equal(values: pl.Series, column: pl.Series) -> bool:
    return column.dtype.is_integer() and (values.cast(int) == column.cast(int)).all()


def _expressions(columns: list[ColumnProfile], frame: pl.DataFrame) -> Iterator[tuple[str, str]]:
    import polars as pl

    for column in columns:
        if column.suspicion not in ("time", "date", "numbers", "texts"):
            continue
        slug = re.sub(r"[^a-z0-9]+", "_", column.name.lower()).strip("_")
        if column.suspicion == "numbers" and (numbers := find_numbers(frame[column.name])):
            yield f"{slug}_number", numbers.expression
            continue
        kind = frame.schema[column.name]
        forms = OF_TIMES if kind == pl.Datetime else OF_DATES if kind == pl.Date else OF_TEXTS
        quoted = '"' + column.name.replace('"', '""') + '"'
        for suffix, form in forms.items():
            yield f"{slug}_{suffix}", form.format(quoted)
