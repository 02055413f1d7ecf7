"""Checks of texts."""

from __future__ import annotations

import polars as pl
import pytest

from tests.world import PROJECT
from trainer.checks.texts import suspicious_texts, unusable_texts
from trainer.pipeline import TextPipeline, load_pipeline

LONG = "a text of more than twenty characters"


@pytest.fixture(scope="module")
def pipeline() -> TextPipeline:
    found = load_pipeline(PROJECT / "include" / "pipelines" / "wikitext.yaml")
    assert isinstance(found, TextPipeline)
    return found


def test_missing_and_empty_documents_are_named(pipeline: TextPipeline) -> None:
    rows = pl.LazyFrame({"id": ["a", "b", "c"], "text": [LONG, None, " \n"]})
    assert unusable_texts(pipeline, rows) == ["text: 2 of 3 documents are missing or empty: b, c; remove these"]
    assert unusable_texts(pipeline, rows.head(1)) == []


def test_a_column_that_holds_no_texts_is_refused(pipeline: TextPipeline) -> None:
    assert (
        "there is no column 'text'; did you mean 'texts'?"
        in unusable_texts(pipeline, pl.LazyFrame({"texts": ["a"]}))[0]
    )
    assert "'text' is Int64, and texts are strings" in unusable_texts(pipeline, pl.LazyFrame({"text": [1]}))[0]


def test_repeated_and_very_short_documents_are_warned_of(pipeline: TextPipeline) -> None:
    rows = pl.LazyFrame({"id": ["a", "b", "c"], "text": [LONG, LONG, "short"]})
    found = suspicious_texts(pipeline, rows)
    assert [(one.check, one.severity, one.examples) for one in found] == [
        ("document_is_unique", "warning", ["b"]), ("document_is_a_text", "warning", ["c"]),
    ]  # fmt: skip
