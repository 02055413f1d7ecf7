"""The model registry: versions, aliases, and what production was trained on."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, TrainerError
from trainer.pipeline import did_you_mean
from trainer.registry.tracking import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

PRODUCTION = "production"
PREVIOUS = "previous_production"
STAGING = "staging"

REGISTRATION_TAG = "trainer.registration"
SNAPSHOT_TAG = "data.snapshot"
DIGEST_TAG = "data.digest"
KEYS_TAG = "data.keys"
KEYS_DIGEST_TAG = "data.keys_digest"
RUN_FOLDER_TAG = "trainer.run_folder"
ALGORITHM_TAG = "trainer.algorithm"
REFIT_TAG = "trainer.refit"

_NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
_INVALID = "INVALID_PARAMETER_VALUE"


@dataclass(frozen=True)
class Reference:
    """The data that the model of production, or of the anchor, was trained on."""

    version: str
    snapshot: str
    """URI of the Parquet file."""
    digest: str
    """Its SHA-256."""
    keys: str
    """URI of the table of row keys and parts."""
    keys_digest: str = ""
    """Its SHA-256; empty for versions of earlier releases."""
    role: str = "production"
    """`production` or `anchor`."""


def version_of(client: MlflowClient, model: str, alias: str) -> ModelVersion | None:
    """The version that an alias names, or None where there is no such alias or model.

    Any other answer of the registry is raised: an unreachable registry must not read as "no production yet".
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(model, alias)
    except MlflowException as error:
        if error.error_code in (_NOT_FOUND, _INVALID) and _alias_is_absent(client, model, alias):
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


def version_or_none(client: MlflowClient, model: str, number: str) -> ModelVersion | None:
    """Return a version of a model, or None if it does not exist; any other answer of the registry is raised."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(model, number)
    except MlflowException as error:
        if error.error_code in (_NOT_FOUND, _INVALID):
            return None
        raise


def production_reference(model_name: str) -> Reference | None:
    """What the model under the alias `production` was trained on, or None if there is no production yet.

    A version without a record of its data has empty fields: whoever reads them must fail on that.
    """
    version = version_of(connect(), model_name, PRODUCTION)
    if version is None:
        return None
    return reference_of(version)


def reference_of(version: ModelVersion) -> Reference:
    """The reference that a version's tags describe."""
    recorded = (version.tags.get(tag, "") for tag in (SNAPSHOT_TAG, DIGEST_TAG, KEYS_TAG, KEYS_DIGEST_TAG))
    return Reference(str(version.version), *recorded)


@contextlib.contextmanager
def asking_mlflow() -> Iterator[MlflowClient]:
    """A client for a command of a person; where MLflow does not answer, the block ends with a TrainerError."""
    from mlflow.exceptions import MlflowException

    try:
        yield connect()
    except MlflowException as error:
        raise TrainerError(f"MLflow cannot be asked: {error}") from error


def model_names(client: MlflowClient) -> list[str]:
    """The names of all registered models."""
    return [str(model.name) for model in registered_models(client)]


def registered_models(client: MlflowClient) -> Iterator[RegisteredModel]:
    """All registered models, page by page."""
    token = None
    while True:
        page = client.search_registered_models(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def refuse_unknown(client: MlflowClient, model: str) -> None:
    """Raise ConfigurationError if there is no registered model of this name."""
    known = model_names(client)
    if model not in known:
        raise ConfigurationError(f"there is no registered model {model!r}{did_you_mean(model, known)}")


def find_version(client: MlflowClient, model: str, *, version: str = "", alias: str = "") -> ModelVersion:
    """The version that a number or an alias names; raises ConfigurationError saying what there is instead."""
    refuse_unknown(client, model)
    if alias:
        if found := version_of(client, model, alias):
            return found
        aliases = [f"{name} → {number}" for name, number in aliases_of(client, model).items()]
        raise ConfigurationError(f"{model} has no alias {alias!r}; {_there_are('aliases', aliases)}")
    if (known := version_or_none(client, model, version)) is not None:
        return known
    numbers = [str(one.version) for one in client.search_model_versions(f"name = '{model}'")]
    raise ConfigurationError(f"{model} has no version {version!r}; {_there_are('versions', numbers)}")


def _there_are(what: str, names: list[str]) -> str:
    return f"there are the {what} {', '.join(sorted(names))}" if names else f"there are no {what}"
