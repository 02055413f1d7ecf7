"""The Secrets of the trial's servers and steps: made once, with random values, which are never printed."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING

from include.stack.docker import StackError

if TYPE_CHECKING:
    from include.cluster.programs import Programs

SERVERS, STEPS = "mlflow", "ml-training"
STUDIES_USER = "studies"
S3 = {"access_key_id": "s3 key", "secret_access_key": "s3 secret"}
SECRETS: dict[tuple[str, str], dict[str, str]] = {
    (SERVERS, "postgres"): {"password": "postgres"},
    (SERVERS, "mlflow-database"): {"password": "mlflow"},
    (SERVERS, "studies-database"): {"password": "studies"},
    (SERVERS, "mlflow-s3"): S3,
    (STEPS, "trainer-studies"): {"username": "studies user", "password": "studies"},
    (STEPS, "trainer-s3"): S3,
}
"""By namespace and name, the value that each key holds; equal names are equal values."""


def create_secrets(programs: Programs) -> dict[str, str]:
    """Create the Secrets that are missing; returns the values by their name. A value that is there already is kept.

    Raises StackError for a Secret without one of its keys, and for one that differs from its copy.
    """
    found = {(space, name): data for space in (SERVERS, STEPS) for name, data in _existing(programs, space).items()}
    values = {"studies user": STUDIES_USER}
    for (space, name), keys in SECRETS.items():
        for key, value in keys.items() if (space, name) in found else ():
            _keep(values, space, name, key, value, found[space, name])
    for (space, name), keys in SECRETS.items():
        if (space, name) not in found:
            data = {key: values.setdefault(value, secrets.token_hex(24)) for key, value in keys.items()}
            programs.must(f"refuses the Secret {name}", "create", "--filename", "-", given=_manifest(space, name, data))
    return values


def _existing(programs: Programs, namespace: str) -> dict[str, dict[str, str]]:
    return {
        one["metadata"]["name"]: {key: base64.b64decode(value).decode() for key, value in one.get("data", {}).items()}
        for one in programs.get(namespace, "secrets")
    }


def _keep(values: dict[str, str], space: str, name: str, key: str, value: str, data: dict[str, str]) -> None:
    advice = f"kubectl --namespace {space} delete secret {name}, then make cluster-up"
    if not data.get(key):
        raise StackError(f"the Secret {name} in {space} has no {key!r}; {advice}")
    if values.setdefault(value, data[key]) != data[key]:
        raise StackError(f"{key!r} of the Secret {name} in {space} is another than that of its servers; {advice}")


def _manifest(namespace: str, name: str, data: dict[str, str]) -> str:
    """Return a Secret for kubectl's input: an argument would be in every list of processes."""
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
