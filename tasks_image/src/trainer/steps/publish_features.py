"""Give the features that production's model was trained on to the services that ask for them by id."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.modalities import modality_of
from trainer.run.records import PromoteResult, PublishFeaturesResult

if TYPE_CHECKING:
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
    ids, features, meaning = modality_of(pipeline).features(pipeline, run)
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
