"""`trainer resolve models:/NAME@ALIAS`: where a version's files lie, as KServe's storageUri takes it."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ADDRESS = re.compile(r"^models:/(?P<model>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))$")
PROXIED = "mlflow-artifacts:"
LOCAL = ("file:", "/")


def add_to(commands: Any) -> None:
    """Declare the command."""
    command = commands.add_parser(
        "resolve",
        help="print where a version's files lie, for KServe",
        description="Follow an alias or a version to the address of its files in the object store: what the "
        "`storageUri` of a KServe InferenceService takes. Prints the address alone, or with --json all that is known.",
    )
    command.add_argument("address", metavar="ADDRESS", help="models:/NAME@ALIAS or models:/NAME/VERSION")
    command.add_argument("--json", action="store_true", help="print model, version, aliases, run and address")
    command.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the address; returns 0. Raises ConfigurationError where there is none that a server could read."""
    from trainer.registry.versions import asking_mlflow, find_version

    found = ADDRESS.match(arguments.address)
    if not found:
        raise ConfigurationError(f"{arguments.address!r} is not like models:/NAME@ALIAS or models:/NAME/VERSION")
    with asking_mlflow() as client:
        version = find_version(client, found["model"], version=found["version"] or "", alias=found["alias"] or "")
        address = storage_address(client, version)
    if address.startswith(LOCAL):
        sys.stderr.write(f"{address} is a folder of this machine; a cluster cannot read it\n")
    sys.stdout.write((_record(version, address) if arguments.json else address) + "\n")
    return 0


def storage_address(client: MlflowClient, version: ModelVersion) -> str:
    """The address of a version's files; raises ConfigurationError for one that only MLflow's server can read."""
    address = str(client.get_model_version_download_uri(version.name, version.version))
    if address.startswith(PROXIED):
        raise ConfigurationError(
            f"{version.name} version {version.version} lies at {address}, which only MLflow's server can read: KServe "
            "needs the object store's own address; start the server with --no-serve-artifacts and log the model anew"
        )
    return address


def _record(version: ModelVersion, address: str) -> str:
    record = {
        "model": version.name,
        "version": str(version.version),
        "aliases": sorted(version.aliases),
        "run_id": version.run_id,
        "storage_uri": address,
    }
    return json.dumps(record, indent=2)
