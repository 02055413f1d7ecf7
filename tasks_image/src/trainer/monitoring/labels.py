"""Labels, one for each id: late, repeated, contradicting and missing ones are told apart and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

EXAMPLES = 5


@dataclass(frozen=True)
class Labels:
    """Labels by id, and the rows of their source that give none."""

    table: pl.DataFrame
    """`id` (string) and `label`, one row for each id."""
    rows: int
    missing: int
    without_id: int
    repeated: int
    contradicting: pl.Series
    """Ids whose rows do not say the same."""


def id_and_label(rows: pl.LazyFrame, row_id: str, target: str, source: str) -> pl.LazyFrame:
    """Return `id` and `label` of labels as they are in their source.

    Raises DataValidationError if one of the two columns is missing.
    """
    import polars as pl

    present = rows.collect_schema().names()
    for name, role in ((row_id, "id"), (target, "target")):
        if name not in present:
            raise DataValidationError(
                f"{source}: labels need the {role} in a column {name!r}, found {', '.join(map(repr, present))}"
                f"{did_you_mean(name, present)}; read it under that name with `monitoring.labels.rename`"
            )
    return rows.select(pl.col(row_id).alias("id"), pl.col(target).alias("label"))


def labels_by_id(rows: pl.DataFrame, source: str) -> Labels:
    """Return one label for each id of rows (n) of `id` and `label`.

    Identical rows of an id count once; an id with different labels is set aside. Raises DataValidationError if no label
    is left.
    """
    import polars as pl

    label = rows["label"]
    known = label.fill_nan(None) if label.dtype.is_float() else label
    texts = rows.with_columns(pl.col("id").cast(pl.String), label=known)
    with_id = texts.filter(pl.col("id").is_not_null())
    said = with_id.filter(pl.col("label").is_not_null())
    by_id = said.group_by("id", maintain_order=True).agg(
        pl.col("label").first(), different=pl.col("label").n_unique(), times=pl.len()
    )
    clear = by_id.filter(pl.col("different") == 1)
    found = Labels(
        table=clear.select("id", "label"),
        rows=rows.height,
        missing=with_id.height - said.height,
        without_id=rows.height - with_id.height,
        repeated=int(clear["times"].sum()) - clear.height,
        contradicting=by_id.filter(pl.col("different") > 1)["id"],
    )
    if clear.is_empty():
        raise DataValidationError(
            f"{source}: found no label in {rows.height:,} rows ({found.missing:,} have an id and no label, "
            f"{found.without_id:,} no id, {len(found.contradicting):,} ids contradict themselves); if none has arrived "
            "yet, leave `monitoring.labels` out until one has"
        )
    return found


def refuse_other_types(labels: pl.Series, trained: str, target: str, source: str, version: str) -> None:
    """Raise DataValidationError if labels (n,) are of another type than the target that a version was trained on."""
    expected, found = _family(trained), _family(str(labels.dtype))
    if expected != found:
        raise DataValidationError(
            f"{source}: expected labels of the type {trained}, as the target {target!r} of {version}, found "
            f"{labels.dtype}, such as {labels[0]!r}; fix the data, or declare the type under `monitoring.labels.types`"
        )


def refuse_unknown_classes(labels: pl.Series, classes: Sequence[object], target: str, source: str) -> None:
    """Raise DataValidationError if labels (n,) are of classes that the version does not know."""
    unknown = labels.filter(~labels.is_in(list(classes)))
    if len(unknown):
        counts = unknown.value_counts(sort=True).head(EXAMPLES)
        shown = ", ".join(f"{value!r} ({number:,} rows)" for value, number in counts.iter_rows())
        raise DataValidationError(
            f"{source}: expected {' or '.join(map(repr, sorted(map(str, classes))))} in the labels of {target!r}, "
            f"found others in {len(unknown):,} of {len(labels):,} ids: {shown}; fix the data, or train on the new class"
        )


def _family(dtype: str) -> str:
    """Return numbers, of whatever width, as one family, and strings and categories as another."""
    name = dtype.partition("(")[0]
    if name.startswith(("Int", "UInt", "Float", "Decimal")):
        return "number"
    return "string" if name in ("String", "Categorical", "Enum") else name
