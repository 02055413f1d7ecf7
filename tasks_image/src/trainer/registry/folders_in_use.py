"""The run folders that registered versions need: those with an alias, their anchors, and versions in use elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.registry.anchor import anchor_number
from trainer.registry.experiment_records import versions_in_experiments
from trainer.registry.versions import KEYS_TAG, RUN_FOLDER_TAG, SNAPSHOT_TAG, registered_models, version_or_none

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel


def folders_in_use(
    client: MlflowClient, foreign: Sequence[str] = (), served: Mapping[tuple[str, str], str] | None = None
) -> dict[str, str]:
    """Return addresses in the run folders of versions that are needed, and the version behind each.

    Needed are versions with an alias, their anchors, those of running experiments, and those that are served.

    :param served: versions (model, number) that answer requests, and why each is needed

    Raises ConfigurationError for such a version without a record, unless its model is named as foreign.
    """
    return {
        address: f"{model.name} version {version.version} ({why})"
        for model in registered_models(client)
        if model.name not in foreign
        for version, why in _needed(client, model, served or {})
        for address in _recorded_addresses(version, why)
    }


def _needed(
    client: MlflowClient, model: RegisteredModel, served: Mapping[tuple[str, str], str]
) -> Iterator[tuple[ModelVersion, str]]:
    """Yield the versions of a model that are needed, and why; one without an alias that was deleted needs nothing."""
    others: dict[str, list[str]] = {}
    aliased = _by_version(model)
    for number, aliases in aliased.items():
        version = client.get_model_version(model.name, number)
        yield version, ", ".join(sorted(aliases))
        if anchor := anchor_number(version):
            others.setdefault(anchor, []).append(f"the anchor of version {number}")
    for number, why in versions_in_experiments(model).items():
        others.setdefault(number, []).append(why)
    for (name, number), why in served.items():
        if name == model.name:
            others.setdefault(number, []).append(why)
    for number, reasons in others.items():
        if number not in aliased and (found := version_or_none(client, model.name, number)) is not None:
            yield found, "; ".join(sorted(reasons))


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
