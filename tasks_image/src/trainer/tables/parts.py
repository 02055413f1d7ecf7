"""Parts: the rows that a model is trained on, chosen by, and judged on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    import polars as pl

PARTS = ("train", "validation", "test")
MORE_ROWS = "use more rows or a larger share for it"
MORE_OF_A_CLASS = "use more rows of that class, KIND: random with stratify, or another seed"


def check_parts(
    parts: pl.Series, labels: pl.Series | None, remedy: str = MORE_OF_A_CLASS, if_empty: str = MORE_ROWS
) -> None:
    """Raise DataValidationError if a part (n,) has no rows or lacks one of the classes (n,).

    Such a part cannot be used to fit, choose or judge a model.
    """
    for part in PARTS:
        inside = parts == part
        if not inside.any():
            raise DataValidationError(f"split: the part {part!r} is empty, of {len(parts)} rows; {if_empty}")
        if labels is None:
            continue
        absent = labels.unique(maintain_order=True).drop_nulls().to_list()
        present = set(labels.filter(inside).unique())
        for label in (one for one in absent if one not in present):
            raise DataValidationError(
                f"split: none of the {(labels == label).sum()} rows of class {label!r} is in the part {part!r} "
                f"({inside.sum()} of {len(parts)} rows); {remedy}"
            )
