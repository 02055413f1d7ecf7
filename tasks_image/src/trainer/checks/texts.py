"""Checks of texts before anything is trained: missing and empty ones, repeated ones, very short ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.checks.inputs import input_warning
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import TextPipeline
    from trainer.run.records import CheckResult

EXAMPLES = 5
SHORT = 20
"""Characters, below which a document is rather a broken line than a text."""


def unusable_texts(pipeline: TextPipeline, rows: pl.LazyFrame) -> list[str]:
    """Texts that are missing or empty, named by their id, as lines for a person."""
    import polars as pl

    column, schema = pipeline.text.column, rows.collect_schema()
    if column not in schema:
        return [f"text.column: there is no column {column!r}{did_you_mean(column, schema.names())}"]
    if schema[column] != pl.String:
        return [f"text.column: {column!r} is {schema[column]}, and texts are strings; give it under source.types"]
    text = pl.col("text")
    empty = _named(pipeline, rows).filter(text.is_null() | (text.str.strip_chars() == ""))["name"]
    if empty.is_empty():
        return []
    shown = ", ".join(empty.head(EXAMPLES).to_list())
    total = rows.select(pl.len()).collect().item()
    return [f"{column}: {len(empty)} of {total} documents are missing or empty: {shown}; remove these"]


def suspicious_texts(pipeline: TextPipeline, rows: pl.LazyFrame) -> list[CheckResult]:
    """Warnings: documents that stand there twice, and such as are very short."""
    import polars as pl

    column, table = pipeline.text.column, _named(pipeline, rows)
    found = []
    again = table.filter(pl.col("text").is_duplicated() & ~pl.col("text").is_first_distinct())["name"]
    if len(again):
        message = (
            f"{len(again)} documents repeat another: a model is judged on texts that it has learned where they lie in "
            "different parts of the split; remove the repeats"
        )
        found.append(input_warning("document_is_unique", column, "uniqueness", message, again.head(EXAMPLES).to_list()))
    short = table.filter(pl.col("text").str.len_chars() < SHORT)["name"]
    if len(short):
        message = f"{len(short)} documents have fewer than {SHORT} characters; look whether they were cut apart"
        found.append(input_warning("document_is_a_text", column, "validity", message, short.head(EXAMPLES).to_list()))
    return found


def _named(pipeline: TextPipeline, rows: pl.LazyFrame) -> pl.DataFrame:
    """Return the name and the text of each document."""
    import polars as pl

    name = pipeline.columns.id
    numbered = pl.concat_str(pl.lit("row "), pl.int_range(1, pl.len() + 1).cast(pl.String))
    called = numbered if name is None else pl.col(name).cast(pl.String)
    return rows.select(called.alias("name"), pl.col(pipeline.text.column).alias("text")).collect()
