"""Explanation of a language model: the documents that it predicts worst."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainer.modalities.modality import Explained
from trainer.plots.texts import worst_drawing
from trainer.reports.page import render_page
from trainer.run.records import Importance
from trainer.tables.handover import PREDICTIONS, rows_of
from trainer.tables.parquet import read_table

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import TextPipeline
    from trainer.run import RunFolder
    from trainer.run.records import EvaluateResult

MOST_DOCUMENTS = 50
EXCERPT = 600
"""Characters of a document that are shown."""
WHY = "SHAP values are computed of trees; of a language model the loss of each document is"


def explain(pipeline: TextPipeline, run: RunFolder, evaluation: EvaluateResult) -> Explained:
    """Rank the test documents by the bits that the challenger takes for each of their bytes."""
    documents = _documents(pipeline, run)
    worst = documents.head(MOST_DOCUMENTS)
    whole = float(documents["loss"].sum())
    importance = [
        Importance(column=name, value=bits, share=loss / whole)
        for name, bits, loss in documents.select("document", "bits_per_byte", "loss").iter_rows()
    ]
    page = render_page("documents.html.j2", pipeline_name=pipeline.name, model=evaluation.winner, rows=worst.to_dicts())
    files = {"documents.html": page, "documents.csv": worst.write_csv()}
    drawings = [worst_drawing(importance)]
    return Explained("loss", WHY, "bits per byte", documents.height, importance, drawings, files)


def _documents(pipeline: TextPipeline, run: RunFolder) -> pl.DataFrame:
    """Name, figures and beginning of each test document, the worst first."""
    import polars as pl

    answers = read_table(run.at("evaluate"), PREDICTIONS)
    rows, texts, keys = rows_of(pipeline, run, "test")
    names = keys if pipeline.columns.id is None else rows[pipeline.columns.id].cast(pl.String)
    size, loss = texts.str.len_bytes(), -answers["prediction"]
    return pl.DataFrame({
        "document": names,
        "bits_per_byte": loss / (math.log(2) * size),
        "loss": loss,
        "loss_per_token": loss / answers["tokens"],
        "tokens": answers["tokens"],
        "bytes": size,
        "text": texts.str.slice(0, EXCERPT),
    }).sort("bits_per_byte", "document", descending=[True, False])
