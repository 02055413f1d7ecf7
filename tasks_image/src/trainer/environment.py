"""What surrounds a step: the one place in this package that reads environment variables."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from trainer.addresses import secret_in, without_login
from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_SECRET = 6
"""A shorter text would be found in words that have nothing to do with it."""
_FOR_GIT = frozenset({
    "PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
})  # fmt: skip
_SECRET_NAME = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY")


def _without_secret(address: str) -> str:
    if found := secret_in(address):
        raise ValueError(f"holds {found}, which would be kept with every run; give credentials to the store's client")
    return address


Address = Annotated[str, AfterValidator(_without_secret)]


class Environment(BaseModel):
    """The environment variables a step understands: `TRAINER_` and the field's name, unless one says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tracking_uri: Annotated[str, Field(min_length=1)]
    """`MLFLOW_TRACKING_URI`: MLflow's server, or a database for a single machine."""
    artifact_location: Address = ""
    """Where artifacts of new experiments go; empty: where the MLflow server says."""
    study_storage: str = ""
    """Where Optuna keeps its studies: `journal:///folder`, or the address of a database."""
    data_store: Address = ""
    """What a pipeline's relative addresses are relative to."""
    samples: bool = False
    """Whether a built-in sample may stand in for data that is not there."""
    pipeline: str = ""
    """The pipeline's YAML, for the step `start`."""
    code: str = ""
    """The folder with the clone of the pipeline's code repository, where `trainer checkout` has put it."""
    airflow_run_id: str = ""
    git_commit: str = ""
    image: str = ""
    log_format: Literal["text", "json"] = "text"


def read_environment() -> Environment:
    """The environment of this process; raises ConfigurationError naming the variable that is missing or wrong."""
    names = {field: variable_name(field) for field in Environment.model_fields}
    found = {field: os.environ[name] for field, name in names.items() if os.environ.get(name)}
    try:
        return Environment.model_validate(found)
    except ValidationError as error:
        wrong = "; ".join(
            f"{names[str(detail['loc'][0])]}: {detail['msg'].removeprefix('Value error, ').lower()}"
            for detail in error.errors()
        )
        raise ConfigurationError(f"environment variables: {wrong}; `source .airflow/env` sets them all") from error


def variable_name(field: str) -> str:
    """The environment variable behind a field of Environment."""
    return "MLFLOW_TRACKING_URI" if field == "tracking_uri" else f"TRAINER_{field.upper()}"


def variable(field: str) -> str:
    """A single variable, for a command that needs no more of the environment; empty where it is not set."""
    return os.environ.get(variable_name(field), "")


def git_environment() -> dict[str, str]:
    """What git may see of this process's environment: how to reach servers and whom to trust."""
    return {name: value for name, value in os.environ.items() if name in _FOR_GIT}


def git_login() -> tuple[str, str]:
    """User and password for private repositories; without a password there is no login.

    A Secret made from a file ends with a line break, which is not part of it.
    """
    password = os.environ.get("GIT_PASSWORD", "").strip()
    user = os.environ.get("GIT_USERNAME", "").strip()
    return (user or "git", password) if password else ("", "")


def secrets(environment: Mapping[str, str] = os.environ) -> set[str]:
    """The secrets in a process's environment: variables named as such, and the passwords in addresses."""
    found = set()
    for name, value in environment.items():
        if is_secret_name(name):
            found.add(value)
        elif "://" in value and "@" in value:
            found |= _passwords(value)
    return {secret for secret in found if len(secret) >= SHORTEST_SECRET}


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name holds a secret."""
    names_a_file = name.endswith(("_FILE", "_PATH", "_CREDENTIALS"))
    return _SECRET_NAME.search(name) is not None and not names_a_file


def _passwords(address: str) -> set[str]:
    """The password in an address, as it stands there and as it is meant."""
    try:
        password = without_login(address)[2]
    except ValueError:
        return set()
    return {password, quote(password, safe="")}


def colour_is_refused() -> bool:
    """Whether the person at the terminal wants no colour (no-color.org), or the terminal has none."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
