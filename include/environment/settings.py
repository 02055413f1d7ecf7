"""The settings of an environment, and what they mean for a step: the one place on this side that reads `os.environ`."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import sys
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from include.environment.kubernetes import Kubernetes
from trainer.addresses import secret_in
from trainer.connections import is_connection
from trainer.errors import ConfigurationError
from trainer.pipeline import Spec, did_you_mean, parse_yaml, read_text, validate

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = PROJECT / "include" / "environments"
PIPELINES = PROJECT / "include" / "pipelines"
SAMPLES_ALLOWED_IN = ("default", "development", "trial", "compose")
MLFLOW_UI = "PIPELINES_MLFLOW_UI"
"""By this variable `make ui` tells Airflow where its MLflow UI is."""
ALLOWED_HOSTS = "PIPELINES_ALLOWED_HOSTS"
"""By this variable `make ui` has Airflow answer to these names of its host alone, with spaces between."""
STEP_SERVER = "PIPELINES_STEP_SERVER"
PROCESS_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"
"""Airflow's own: a process that is a "server" may read its database."""
RUN_FOLDER_FILE = "PIPELINES_RUN_FOLDER_FILE"
OF_ONE_RUN = {STEP_SERVER, RUN_FOLDER_FILE}
"""Variables by which `make run` and its Airflow command find each other."""
"""By this variable `make run` tells Airflow the descriptor of the fork server for steps that it has launched."""
DAG_ID = re.compile(r"([a-z][a-z0-9_]*)_training")
LOOPBACK = "127.0.0.1"
SIMPLE_AUTH_MANAGER = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


class Mlflow(Spec):
    """Where MLflow is."""

    tracking_uri: str
    artifact_location: str
    """Where artifacts of new experiments go; empty: where the server says."""
    connection: str | None
    """The Airflow connection with the server's user and password."""
    ui: str
    """Where a person opens it; empty: at the tracking server, or nowhere while `make ui` does not run."""

    @property
    def address(self) -> str:
        """The address that a browser opens, or an empty text."""
        return (self.ui or (self.tracking_uri if self.is_server else "")).rstrip("/")

    @property
    def is_server(self) -> bool:
        """Whether the store is reached through a tracking server."""
        return self.tracking_uri.startswith(("http://", "https://"))


class FeatureStore(Spec):
    """The Redis that gets the features of what is promoted to production."""

    address: str
    """`redis://host:port/number`, or `rediss://` with TLS; empty: there is none."""
    connection: str | None
    """The Airflow connection with its user and password."""
    hours: float = Field(gt=0)
    """How long features stay there when nothing new is promoted."""


class Alerts(Spec):
    """Who is told, and how."""

    recipients: list[str] = Field(min_length=1)
    sender: str
    connection: str
    outbox: str | None


class Rates(Spec):
    """What computing costs, in US dollars."""

    gpu_hour: float = Field(ge=0)
    cpu_core_hour: float = Field(ge=0)


class Settings(Spec):
    """One environment, whole."""

    name: str
    runtime: Literal["local", "kubernetes"]
    artifact_store: str
    data_store: str
    study_storage: str
    study_connection: str | None
    """The Airflow connection of a database that keeps the studies instead."""
    mlflow: Mlflow
    feature_store: FeatureStore
    serving: str
    """Where versions answer requests: `local:///folder` for a router on this machine; empty: nowhere."""
    samples: bool
    image: str
    log_format: Literal["text", "json"]
    aws_connection: str | None
    retries: int = Field(ge=0)
    retry_delay_seconds: float = Field(ge=0)
    step_timeout_minutes: float = Field(gt=0)
    rates: Rates
    alerts: Alerts
    kubernetes: Kubernetes
    """Read by the runtime `kubernetes` alone."""

    @field_validator("artifact_store", "data_store", "study_storage", "mlflow", "feature_store", "serving")
    @classmethod
    def _without_secrets(cls, value: Any) -> Any:
        for address in _addresses(value):
            if found := secret_in(address):
                raise ValueError(f"an address holds {found}; put it into an Airflow connection and name that here")
        return value

    @model_validator(mode="after")
    def _samples_only_where_allowed(self) -> Self:
        if self.samples and self.name not in SAMPLES_ALLOWED_IN:
            raise ValueError(f"samples: only {' and '.join(SAMPLES_ALLOWED_IN)} may fall back to a sample")
        return self

    @model_validator(mode="after")
    def _reachable_from_pods(self) -> Self:
        """Pods share no disk: what they hand over has to lie where each of them reaches it."""
        if self.runtime == "kubernetes" and (mistakes := [*self._local_addresses()]):
            raise ValueError("\n".join(mistakes))
        return self

    def _local_addresses(self) -> Iterator[str]:
        for name in ("artifact_store", "data_store"):
            address = getattr(self, name)
            if "://" not in address or address.startswith("file:"):
                yield f"{name}: {address!r} is a local folder, which pods do not share; give an s3:// address"
        if self.serving.startswith("local:"):
            yield f"serving: {self.serving!r} is a router on one machine, which pods cannot reach; leave it empty"
        if not self.mlflow.is_server:
            yield f"mlflow.tracking_uri: {self.mlflow.tracking_uri!r} is no server, which pods need: http(s)://…"
        studies = self.study_storage or "postgresql" * ("TRAINER_STUDY_STORAGE" in self.kubernetes.secrets)
        if not studies.startswith("postgresql"):
            yield (
                f"study_storage: {self.study_storage!r} is no PostgreSQL, which keeps the studies of pods; give "
                "postgresql://host:5432/name with PGUSER and PGPASSWORD under kubernetes.secrets, or leave it empty "
                "and take TRAINER_STUDY_STORAGE from there"
            )


def _addresses(value: str | Mlflow | FeatureStore) -> tuple[str, ...]:
    if isinstance(value, Mlflow):
        return value.tracking_uri, value.artifact_location
    return (value.address if isinstance(value, FeatureStore) else value,)


@lru_cache
def load_settings() -> Settings:
    """The settings of the environment that PIPELINES_ENVIRONMENT names. Raises ConfigurationError."""
    settings = read_settings(os.environ.get("PIPELINES_ENVIRONMENT", "default"), home(), environments_folder())
    if ui := os.environ.get(MLFLOW_UI):
        return settings.model_copy(update={"mlflow": settings.mlflow.model_copy(update={"ui": ui})})
    return settings


def environments_folder() -> Path:
    """Where the environments' YAML files are: `include/environments`, or what ENVIRONMENTS_FOLDER names."""
    return Path(os.environ.get("ENVIRONMENTS_FOLDER", ENVIRONMENTS))


def pipelines_folder() -> Path:
    """Where the pipelines' YAML files are: `include/pipelines`, or what PIPELINES_FOLDER names."""
    return Path(os.environ.get("PIPELINES_FOLDER", PIPELINES))


def read_settings(name: str, home: Path, folder: Path = ENVIRONMENTS) -> Settings:
    """An environment's settings: `default.yaml` with `{name}.yaml` laid over it. Raises ConfigurationError."""
    known = {file.stem for file in folder.glob("*.yaml")}
    if name not in known:
        raise ConfigurationError(f"PIPELINES_ENVIRONMENT: no environment {name!r}{did_you_mean(name, known)}")
    document = parse_yaml(read_text(folder / "default.yaml"), "default.yaml")
    if name != "default":
        document = _merged(document, parse_yaml(read_text(folder / f"{name}.yaml"), f"{name}.yaml"))
    return validate(Settings, {**_with_home(document, str(home)), "name": name}, f"environment {name}")


def step_environment(settings: Settings) -> dict[str, str]:
    """Environment variables that tell a step where things are; no secrets."""
    return {
        "MLFLOW_TRACKING_URI": settings.mlflow.tracking_uri,
        "TRAINER_ARTIFACT_LOCATION": settings.mlflow.artifact_location,
        "TRAINER_STUDY_STORAGE": settings.study_storage,
        "TRAINER_DATA_STORE": settings.data_store,
        "TRAINER_FEATURE_STORE": settings.feature_store.address,
        "TRAINER_FEATURE_STORE_HOURS": str(settings.feature_store.hours),
        "TRAINER_SERVING": settings.serving,
        "TRAINER_SAMPLES": "true" if settings.samples else "",
        "TRAINER_IMAGE": settings.image,
        "TRAINER_LOG_FORMAT": settings.log_format,
        "TRAINER_GPU_HOUR_RATE": str(settings.rates.gpu_hour),
        "TRAINER_CPU_CORE_HOUR_RATE": str(settings.rates.cpu_core_hour),
    }


def credentials(settings: Settings) -> dict[str, str]:
    """Secrets that a step needs, from Airflow connections, as environment variables of its process."""
    found = {
        **_aws(settings.aws_connection),
        **_mlflow(settings.mlflow.connection),
        **_studies(settings),
        **_redis(settings.feature_store.connection),
    }
    return {name: value for name, value in found.items() if value}


def _aws(name: str | None) -> dict[str, str | None]:
    if name is None:
        return {}
    connection = _connection(name)
    extra = connection.extra_dejson
    return {
        "AWS_ACCESS_KEY_ID": connection.login or extra.get("aws_access_key_id"),
        "AWS_SECRET_ACCESS_KEY": connection.password or extra.get("aws_secret_access_key"),
        "AWS_SESSION_TOKEN": extra.get("aws_session_token"),
        "AWS_DEFAULT_REGION": extra.get("region_name"),
        "AWS_ENDPOINT_URL": extra.get("endpoint_url"),
    }


def _mlflow(name: str | None) -> dict[str, str | None]:
    if name is None:
        return {}
    connection = _connection(name)
    return {"MLFLOW_TRACKING_USERNAME": connection.login, "MLFLOW_TRACKING_PASSWORD": connection.password}


def _studies(settings: Settings) -> dict[str, str | None]:
    if settings.study_connection is None:
        return {}
    address = str(_connection(settings.study_connection).get_uri())
    return {"TRAINER_STUDY_STORAGE": address.replace("postgres://", "postgresql://", 1)}  # as SQLAlchemy calls it


def _redis(name: str | None) -> dict[str, str | None]:
    if name is None:
        return {}
    connection = _connection(name)
    return {"REDIS_USERNAME": connection.login, "REDIS_PASSWORD": connection.password}


def _connection(name: str) -> Any:
    from airflow.sdk import Connection

    return Connection.get(name)


def inherited_environment() -> dict[str, str]:
    """This process's environment without Airflow's own configuration, and without connections: a step has its own."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW") and not is_connection(name) and name not in OF_ONE_RUN
    }


def run_environment(run_folder_file: Path, step_server: int | None = None) -> dict[str, str]:
    """This process's environment for a run's Airflow command.

    :param run_folder_file: where the command writes the address of its run folder
    :param step_server: the descriptor of a fork server for the run's steps
    """
    own = {RUN_FOLDER_FILE: str(run_folder_file)} | ({} if step_server is None else {STEP_SERVER: str(step_server)})
    return {name: value for name, value in os.environ.items() if name not in OF_ONE_RUN} | own


def given_step_server() -> int | None:
    """The descriptor of the fork server that `make run` has launched, or None."""
    number = os.environ.get(STEP_SERVER, "")
    return int(number) if number else None


def announce_run_folder(address: str) -> None:
    """Tell the `make run` that started this process the run folder's address; do nothing if none has."""
    if file := os.environ.get(RUN_FOLDER_FILE):
        Path(file).write_text(address, encoding="utf-8")


def ui_environment(port: int, mlflow_ui: str) -> dict[str, str]:
    """This process's environment, in which Airflow's servers answer on loopback alone, and without a login."""
    address = f"http://{LOOPBACK}:{port}"
    own = {
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),  # of this start, shared by its servers
        "AIRFLOW__CORE__AUTH_MANAGER": SIMPLE_AUTH_MANAGER,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        ALLOWED_HOSTS: f"{LOOPBACK} localhost",  # every page in the browser could else act as an admin
        MLFLOW_UI: mlflow_ui,
    }
    no_proxy = {name: ",".join(filter(None, [os.environ.get(name), LOOPBACK])) for name in ("NO_PROXY", "no_proxy")}
    return {**os.environ, **no_proxy, **own}


def allowed_hosts() -> list[str]:
    """Return the names of its host that Airflow's API server answers to; none: to all."""
    return os.environ.get(ALLOWED_HOSTS, "").split()


@contextmanager
def connections_of_the_database() -> Iterator[None]:
    """Let Airflow look for connections in its database too while the block lasts."""
    before = os.environ.get(PROCESS_CONTEXT)
    os.environ[PROCESS_CONTEXT] = "server"
    try:
        yield
    finally:
        del os.environ[PROCESS_CONTEXT]
        if before is not None:
            os.environ[PROCESS_CONTEXT] = before


def run_address(dag_id: str, run_id: str) -> str | None:
    """Where the run folder of a DAG run is, whether it is there or not; None for a DAG that trains no pipeline."""
    from trainer.run import run_key  # what `.airflow/env` asks of this module has to come quickly

    found = DAG_ID.fullmatch(dag_id)
    return f"{load_settings().artifact_store}/{found[1]}/{run_key(run_id)}" if found else None


def home() -> Path:
    """What `{home}` stands for: this checkout, or what PIPELINES_HOME names."""
    return Path(os.environ.get("PIPELINES_HOME", PROJECT)).resolve()


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, mappings merged key by key."""
    return {
        **base,
        **{
            key: _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
            for key, value in over.items()
        },
    }


def _with_home(value: Any, home: str) -> Any:
    if isinstance(value, dict):
        return {key: _with_home(inner, home) for key, inner in value.items()}
    return value.replace("{home}", home) if isinstance(value, str) else value


def main() -> int:
    """Print what a shell needs to run steps by hand, as `export` lines; called by `.airflow/env`."""
    try:
        variables = step_environment(load_settings())
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    for name, value in variables.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
