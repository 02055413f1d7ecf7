"""Recording in MLflow what a run has read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from trainer.sources.reading import Lineage

LONGEST_DIGEST = 36
GIVEN_AS = {"sample": "generator", "postgres": "database"}
"""By kind of source, what MLflow, which has no class for its address, is told that it is."""


def log_dataset(
    lineage: Lineage, context: str, rows: pl.DataFrame | pl.LazyFrame | None = None, digest: str | None = None
) -> None:
    """Log a data set to the active MLflow run: its address, its digest and, with `rows`, its columns.

    Columns of types that MLflow does not know are left out. Where the lineage has tags, the run gets them, and the
    address is the one in the store that they name.
    """
    import mlflow
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    from trainer.process.ignored_warning import ignored_warning
    from trainer.sources.reading import REMOTE_TAG

    address = lineage.tags.get(REMOTE_TAG, lineage.source)
    if lineage.kind in GIVEN_AS:
        source = mlflow.data.code_dataset_source.CodeDatasetSource({GIVEN_AS[lineage.kind]: lineage.source})
    else:
        with ignored_warning("The specified dataset source can be interpreted in multiple ways"):
            source = resolve_dataset_source(address)
    schema = None if rows is None else _schema(rows.lazy())
    name = lineage.source.rpartition("/")[2][:LONGEST_DIGEST]
    mlflow.set_tags(lineage.tags)
    mlflow.log_input(MetaDataset(source, name, digest[:LONGEST_DIGEST] if digest else None, schema), context=context)


def _schema(rows: pl.LazyFrame) -> object:
    import polars as pl

    from trainer.registry.signers import SchemaSigner
    from trainer.sources.plain_types import why_unusable

    schema = rows.collect_schema()
    # No table's model takes bytes, but those of other rows do, and MLflow has a type for them.
    known = rows.select(name for name, kind in schema.items() if kind == pl.Binary or not why_unusable(kind))
    return SchemaSigner().sign(known, known.head(0).collect()).inputs
