"""Categories of an input of text: those of the training rows, and the integer code of each text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

MISSING = "is missing"
"""The category of missing values. Every other one starts with `=`, so no text in the data can be mistaken for it."""
RARE = "is rare"
"""The category of texts with few training rows, and then of unseen texts; always the last one."""
UNKNOWN = -1
"""The code of a text that training did not see, where no category is rare."""


def fit_categories(column: pl.DataFrame, name: str, rare: int = 1) -> pl.Enum:
    """Return the categories of a column (n rows, `name`), sorted; those with fewer than `rare` rows become RARE.

    Missing values stay a category of their own, however few they are.
    """
    import polars as pl

    counts = column.select(_text(name)).group_by(name).len("rows")
    kept = counts.filter((pl.col("rows") >= rare) | (pl.col(name) == MISSING))
    texts = kept[name].sort().to_list()
    return pl.Enum([*texts, RARE] if kept.height < counts.height else texts)


def codes_by_text(categories: pl.Enum) -> dict[str | None, int]:
    """Return the code of each text, None for missing values; the code of RARE is the one of all other texts."""
    texts = [text for text in categories.categories if text != RARE]
    return {None if text == MISSING else text.removeprefix("="): code for code, text in enumerate(texts)}


def code_of_others(categories: pl.Enum) -> int:
    """Return the code of texts that are not among the categories."""
    size = len(categories.categories)
    return size - 1 if size and categories.categories[-1] == RARE else UNKNOWN


def code_of(name: str, categories: pl.Enum) -> pl.Expr:
    """Return the expression for the code of each text of a column, as Int64."""
    import polars as pl

    codes, others = codes_by_text(categories), code_of_others(categories)
    value = pl.col(name).cast(pl.String)
    kind = pl.Enum([text for text in codes if text is not None])
    code = value.cast(kind, strict=False).to_physical().cast(pl.Int64).fill_null(others)
    return pl.when(value.is_null()).then(codes.get(None, others)).otherwise(code).cast(pl.Int64).alias(name)


def column_name(column: str, category: str) -> str:
    """Return the name of a category's own column, such as `contract=One year` or `contract is missing`."""
    return f"{column}{category}" if category.startswith("=") else f"{column} {category}"


def _text(name: str) -> pl.Expr:
    """As `=text`, and missing ones as a text that has no `=` in front."""
    import polars as pl

    return (pl.lit("=") + pl.col(name).cast(pl.String)).fill_null(MISSING).alias(name)
