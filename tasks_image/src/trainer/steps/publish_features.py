"""Give the features that production's model was trained on to the services that ask for them by id."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.run.flow import last_fit
from trainer.run.records import FeaturesResult, PromoteResult, PublishFeaturesResult, RefitResult
from trainer.tables.handover import FEATURES, SNAPSHOT

if TYPE_CHECKING:
    import polars as pl

    from trainer.inference.features import FittedFeatures
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

VERSION_TAG = "features.version"
SECONDS_PER_HOUR = 3600


def run(pipeline: Pipeline, run: RunFolder) -> PublishFeaturesResult:
    """Write inputs and derived columns of all rows to the environment's Redis; then readers find this version.

    The model version is tagged with it. Raises ConfigurationError where there is no Redis, no id, or the run's version
    is not production; OutageError where Redis does not answer. What was promoted stays so.
    """
    from trainer.environment import read_environment, redis_login
    from trainer.feature_store.redis_server import connect
    from trainer.feature_store.store import FeatureStore, version_of
    from trainer.registry.tracking import connect as connect_to_mlflow

    environment = read_environment()
    if not environment.feature_store:
        raise ConfigurationError("feature store: the environment names none; set TRAINER_FEATURE_STORE")
    promoted = _promoted(run)
    ids, features, meaning = _features(pipeline, run)
    version = version_of(meaning, features.schema)
    client = connect(environment.feature_store, *redis_login())
    store = FeatureStore(client, pipeline.name, version, features.schema)
    seconds = round(environment.feature_store_hours * SECONDS_PER_HOUR)
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    rows = store.store_many(ids, features, seconds)
    store.publish(seconds)
    connect_to_mlflow().set_model_version_tag(promoted.model, promoted.version, VERSION_TAG, version)
    logger.info("%s: features of %d ids, version %s, until %s", environment.feature_store, rows, version, expires_at)
    return PublishFeaturesResult(
        store=environment.feature_store,
        version=version,
        rows=rows,
        columns=features.columns,
        expires_at=expires_at.isoformat(),
    )


def _promoted(run: RunFolder) -> PromoteResult:
    promoted = run.at("promote").result(PromoteResult)
    if promoted.aliases.get("production") != promoted.version:
        raise ConfigurationError(
            f"{promoted.model} version {promoted.version} is not production, whose features services ask for"
        )
    return promoted


def _features(pipeline: Pipeline, run: RunFolder) -> tuple[pl.Series, pl.DataFrame, FittedFeatures]:
    """The ids (n,), the features (n, columns) in the types that expressions see, and what computed them.

    Derived columns are computed with the constants of the registered model, which it was fitted with last.
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
