"""Registers: a saved model as a version in the registry."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainer.errors import TrainerError
from trainer.pipeline import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registered:
    """A version in the registry.

    >>> Registered("churn-predictor", "3", created=True).version
    '3'
    """

    model: str
    version: str
    created: bool
    """False where an earlier try had created it."""


class MlflowRegister(Spec):
    """Registers in MLflow's registry; the same key gives the same version, however often it is asked.

    >>> MlflowRegister(model="churn-predictor").KIND
    'mlflow'
    """

    KIND: Literal["mlflow"] = "mlflow"
    model: str
    description: str = ""

    def register(self, model_uri: str, run_id: str, key: str, tags: Mapping[str, str]) -> Registered:
        """The version for a logged model, created if there is none with this key; moves no alias.

        Raises TrainerError if the registry does not confirm the version.
        """
        from trainer.registry.tracking import connect
        from trainer.registry.versions import REGISTRATION_TAG

        client = connect()
        _ensure_model(client, self.model)
        created = not _versions(client, self.model, key)
        if created:
            client.create_model_version(
                self.model,
                model_uri,
                run_id,
                tags={**tags, REGISTRATION_TAG: key},
                description=self.description,
                model_id=model_uri.rpartition("/")[2],
            )
        version = _only_one(client, self.model, key)
        confirmed = client.get_model_version(self.model, version.version)
        if confirmed.status != "READY":
            raise TrainerError(f"{self.model} version {version.version} is {confirmed.status}: not confirmed by MLflow")
        logger.info("%s version %s %s", self.model, version.version, "created" if created else "was there already")
        return Registered(self.model, str(version.version), created)


def _versions(client: MlflowClient, model: str, key: str) -> list[ModelVersion]:
    """What was registered with a key, the first first."""
    from trainer.registry.versions import REGISTRATION_TAG

    found = client.search_model_versions(f"name = '{model}' AND tags.`{REGISTRATION_TAG}` = '{key}'")
    return sorted(found, key=lambda version: int(version.version))


def _only_one(client: MlflowClient, model: str, key: str) -> ModelVersion:
    """The version with a key. A request that was repeated because no answer came in time has made more of them."""
    found = _versions(client, model, key)
    if not found:
        raise TrainerError(f"{model}: the version that was just created is not there: not confirmed by MLflow")
    for double in found[1:]:
        logger.warning("%s version %s repeats version %s: deleted", model, double.version, found[0].version)
        client.delete_model_version(model, double.version)
    return found[0]


def _ensure_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
