"""Classes as labels: the one comparison of what a pipeline says with the values of its target, and with answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

WHOLE_AS_TEXT = re.compile(r"([-+]?\d+)\.0+")
TRUTHS = ("true", "false")


def as_label(value: Any) -> str:
    """Return a class as a label, the same for all ways of writing one value.

    A whole number reads the same as an integer, as a float and as a string, a boolean the same as its string, and
    blanks around a string do not count.

    >>> as_label(1.0), as_label("1.0"), as_label(True), as_label("TRUE"), as_label(" yes")
    ('1', '1', 'true', 'true', 'yes')
    """
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    if whole := WHOLE_AS_TEXT.fullmatch(text):
        return whole.group(1)
    return text.lower() if text.lower() in TRUTHS else text


def labels_of(values: pl.Series) -> pl.Series:
    """Return classes (n,) as labels (n,); a missing one stays missing."""
    import polars as pl

    distinct = values.unique().drop_nulls()
    labels = pl.Series([as_label(value) for value in distinct.to_list()], dtype=pl.String)
    if distinct.dtype == pl.String and (distinct == labels).all():
        return values
    return values.replace_strict(distinct, labels, default=None, return_dtype=pl.String)


def find_class(classes: Iterable[Any], said: Any) -> Any | None:
    """Return the class that reads like what somebody said; None if there is none."""
    label = as_label(said)
    return next((value for value in classes if as_label(value) == label), None)


def alike(classes: Iterable[Any]) -> list[list[Any]]:
    """Return the groups of classes that read the same although they differ, such as `yes` and `yes `."""
    groups: dict[str, list[Any]] = {}
    for value in classes:
        groups.setdefault(as_label(value), []).append(value)
    return [group for group in groups.values() if len(group) > 1]
