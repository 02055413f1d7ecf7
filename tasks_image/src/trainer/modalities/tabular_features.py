"""The features of a table's rows, for services that ask for them by id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.run.flow import last_fit
from trainer.run.records import FeaturesResult, RefitResult
from trainer.tables.handover import FEATURES, SNAPSHOT

if TYPE_CHECKING:
    import polars as pl

    from trainer.inference.features import FittedFeatures
    from trainer.pipeline import TabularPipeline
    from trainer.run import RunFolder


def features_to_publish(pipeline: TabularPipeline, run: RunFolder) -> tuple[pl.Series, pl.DataFrame, FittedFeatures]:
    """The ids (n,), the features (n, columns) in the types that expressions see, and what computed them.

    Derived columns are computed with the constants of the registered model, which it was fitted with last.
    Raises ConfigurationError where the rows have no id.
    """
    from trainer.inference.features import features_with, wide_type
    from trainer.tables.parquet import read_table

    name = pipeline.columns.id
    if name is None:
        raise ConfigurationError("columns.id: the pipeline names none, by which features would be asked for")
    made = run.at("engineer_features").result(FeaturesResult)
    fitted = run.at(last_fit(pipeline.refit)).result(RefitResult)
    raw = read_table(run.at("engineer_features"), FEATURES, [*made.inputs, *made.for_features])
    meaning = features_with(pipeline.features, fitted.constants, raw.schema)
    features = meaning.transform(raw).select([*made.inputs, *made.derived])
    ids = read_table(run.at("ingest"), SNAPSHOT, [name])[name]
    typed = features.cast({column: wide_type(kind) for column, kind in features.schema.items()})
    return ids, typed, meaning
