"""The model registry: versions, aliases, and what production was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.tracking import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PRODUCTION = "production"
PREVIOUS = "previous_production"
STAGING = "staging"

REGISTRATION_TAG = "trainer.registration"
SNAPSHOT_TAG = "data.snapshot"
DIGEST_TAG = "data.digest"
KEYS_TAG = "data.keys"

_NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
_NO_SUCH_ALIAS = "INVALID_PARAMETER_VALUE"


@dataclass(frozen=True)
class Reference:
    """What production's model was trained on."""

    version: str
    snapshot: str
    """URI of the Parquet file."""
    digest: str
    """Its SHA-256."""
    keys: str
    """URI of the table of row keys and parts."""


def version_of(client: MlflowClient, model: str, alias: str) -> ModelVersion | None:
    """The version that an alias names, or None where there is no such alias or model.

    Any other answer of the registry is raised: an unreachable registry must not read as "no production yet".
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(model, alias)
    except MlflowException as error:
        if error.error_code in (_NOT_FOUND, _NO_SUCH_ALIAS) and _alias_is_absent(client, model, alias):
            return None
        raise


def _alias_is_absent(client: MlflowClient, model: str, alias: str) -> bool:
    """Whether the registry, asked another way, says that the alias does not exist."""
    registered = client.search_registered_models(filter_string=f"name = '{model}'", max_results=1)
    return not registered or alias not in registered[0].aliases


def aliases_of(client: MlflowClient, model: str) -> dict[str, str]:
    """The aliases of a model and the version that each one names; empty if the model does not exist."""
    registered = client.search_registered_models(filter_string=f"name = '{model}'", max_results=1)
    return {alias: str(version) for alias, version in registered[0].aliases.items()} if registered else {}


def production_reference(model_name: str) -> Reference | None:
    """What the model under the alias `production` was trained on, or None if there is no production yet.

    A version without a record of its data has empty fields: whoever reads them must fail on that.
    """
    version = version_of(connect(), model_name, PRODUCTION)
    if version is None:
        return None
    tags = version.tags
    return Reference(str(version.version), tags.get(SNAPSHOT_TAG, ""), tags.get(DIGEST_TAG, ""), tags.get(KEYS_TAG, ""))
