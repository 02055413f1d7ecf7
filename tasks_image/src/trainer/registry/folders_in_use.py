"""The run folders that registered versions need: those with an alias, and the anchors of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.registry.anchor import anchor_number
from trainer.registry.versions import KEYS_TAG, RUN_FOLDER_TAG, SNAPSHOT_TAG, registered_models, version_or_none

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel


def folders_in_use(client: MlflowClient, foreign: Sequence[str] = ()) -> dict[str, str]:
    """Addresses in the run folders of versions with an alias and of their anchors, and the version behind each.

    Raises ConfigurationError for such a version without a record, unless its model is named as foreign.
    """
    return {
        address: f"{model.name} version {version.version} ({why})"
        for model in registered_models(client)
        if model.name not in foreign
        for version, why in _needed(client, model)
        for address in _recorded_addresses(version, why)
    }


def _needed(client: MlflowClient, model: RegisteredModel) -> Iterator[tuple[ModelVersion, str]]:
    """The versions of a model that are needed, and why; an anchor that has been deleted needs nothing."""
    anchors: dict[str, list[str]] = {}
    aliased = _by_version(model)
    for number, aliases in aliased.items():
        version = client.get_model_version(model.name, number)
        yield version, ", ".join(sorted(aliases))
        if (anchor := anchor_number(version)) and anchor not in aliased:
            anchors.setdefault(anchor, []).append(number)
    for number, versions in anchors.items():
        if (found := version_or_none(client, model.name, number)) is not None:
            yield found, f"the anchor of version {', '.join(sorted(versions, key=int))}"


def _by_version(model: RegisteredModel) -> dict[str, list[str]]:
    """The versions of a model that have aliases, and these."""
    found: dict[str, list[str]] = {}
    for alias, number in model.aliases.items():
        found.setdefault(str(number), []).append(alias)
    return found


def _recorded_addresses(version: ModelVersion, why: str) -> list[str]:
    absent = ", ".join(tag for tag in (RUN_FOLDER_TAG, SNAPSHOT_TAG, KEYS_TAG) if not version.tags.get(tag))
    if absent:
        raise ConfigurationError(
            f"{version.name} version {version.version} ({why}) has no tag {absent}: it is not known "
            f"which run folder it needs, so none may go. If no run of a pipeline made it, say --foreign {version.name}"
        )
    return [version.tags[tag] for tag in (RUN_FOLDER_TAG, SNAPSHOT_TAG, KEYS_TAG)]
