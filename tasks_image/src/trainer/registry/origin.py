"""Where a registered version comes from: only what a run of this pipeline has written is loaded."""

from __future__ import annotations

import posixpath
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trainer.errors import ModelRefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

MODEL_DIGEST_TAG = "trainer.model_digest"
WRITTEN_BY_DOWNLOAD = "registered_model_meta"
"""MLflow adds this file at the top of what it downloads of a registered version."""
_REMEDY = "let the alias name a version that a run of this pipeline has registered, by `trainer rollback` or in MLflow"


def model_digest(folder: Path) -> str:
    """The SHA-256, in hex, of a model's files: their names, sizes and contents, in the order of their names."""
    digest = sha256()
    added = folder / WRITTEN_BY_DOWNLOAD
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path != added):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def recorded_digest(client: MlflowClient, model: str, version: str) -> str:
    """The digest that a version was registered with. Raises ModelRefusedError if there is none."""
    found = str(client.get_model_version(model, version).tags.get(MODEL_DIGEST_TAG, ""))
    if not found:
        raise ModelRefusedError(
            f"{model} version {version} has no tag {MODEL_DIGEST_TAG}: no run has registered it, so it is not loaded; "
            f"{_REMEDY}"
        )
    return found


def refuse_foreign(client: MlflowClient, model: str, version: str, experiment_id: str) -> None:
    """Raise ModelRefusedError if a version's files lie outside the artifact location of an experiment."""
    location = client.get_model_version_download_uri(model, version)
    home = client.get_experiment(experiment_id).artifact_location
    if not _is_below(location, home):
        raise ModelRefusedError(
            f"{model} version {version} lies at {location}, outside {home}, where the runs of this pipeline write "
            f"models; it is not loaded: {_REMEDY}"
        )


def _is_below(location: str, home: str) -> bool:
    (scheme, host, path), (own_scheme, own_host, own_path) = _parts(location), _parts(home)
    return (scheme, host) == (own_scheme, own_host) and path.startswith(f"{own_path}/")


def _parts(address: str) -> tuple[str, str, str]:
    parts = urlsplit(address)
    return parts.scheme or "file", parts.netloc, posixpath.normpath(parts.path)
