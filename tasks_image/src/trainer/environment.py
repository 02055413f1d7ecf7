"""What surrounds a step: the one place in this package that reads environment variables."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeVar
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from trainer.addresses import secret_in, without_login
from trainer.connections import is_connection, secrets_of
from trainer.cpu_quota import cpu_quota
from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_SECRET = 6
"""A shorter text would be found in words that have nothing to do with it."""
_FOR_GIT = frozenset({
    "PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
})  # fmt: skip
_FOR_PYTHON = re.compile(
    r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|XDG_CACHE_HOME|PYTHON\w*|(OMP|KMP|OPENBLAS|MKL|GOTO)_\w+"
    r"|CUDA_\w+|NVIDIA_\w+|POLARS_\w*THREADS|LOKY_MAX_CPU_COUNT|MALLOC_\w+|MPLCONFIGDIR|MPLBACKEND"
)
"""Variables that an interpreter and numerical libraries read at their start; none of them holds a secret."""
SCORING_SERVER = "TRAINER_SCORING_SERVER"
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT")
"""What OpenMP (LightGBM, scikit-learn, XGBoost, PyArrow), OpenBLAS (NumPy, SciPy), Polars and joblib read."""
PASSIVE = ("OMP_WAIT_POLICY", "PASSIVE")
"""OpenMP's threads spin while they wait for each other. Beside other work, one that waits for a core takes it from the
one that it waits for: a fit of LightGBM took ten times as long."""
_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|(?:^|_)PASS(?:_|$)|_PWD(?:_|$)|TOKEN|JWT|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY"
)


def _without_secret(address: str) -> str:
    if found := secret_in(address):
        raise ValueError(f"holds {found}, which would be kept with every run; give credentials to the store's client")
    return address


Address = Annotated[str, AfterValidator(_without_secret)]


M = TypeVar("M", bound="Means")


class Means(BaseModel):
    """What a step may use, and what that costs; needed without the rest of its environment too."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    cores: Annotated[float, Field(gt=0)] | None = None
    """CPU cores of the pod, where it is given less than the machine has."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """GPUs of the pod."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Pods of the step, each with these cores and GPUs."""
    cpu_core_hour_rate: Annotated[float, Field(ge=0)] | None = None
    """US dollars for an hour of one core; unset: costs are not counted."""
    gpu_hour_rate: Annotated[float, Field(ge=0)] | None = None
    """US dollars for an hour of one GPU."""


class Environment(Means):
    """The environment variables a step understands: `TRAINER_` and the field's name, unless one says otherwise."""

    tracking_uri: Annotated[str, Field(min_length=1)]
    """`MLFLOW_TRACKING_URI`: MLflow's server, or a database for a single machine."""
    artifact_location: Address = ""
    """Where artifacts of new experiments go; empty: where the MLflow server says."""
    study_storage: str = ""
    """Where Optuna keeps its studies: `journal:///folder`, or the address of a database."""
    data_store: Address = ""
    """What a pipeline's relative addresses are relative to."""
    feature_store: Address = ""
    """The Redis that gets the features of what is promoted to production; empty: there is none."""
    feature_store_hours: Annotated[float, Field(gt=0)] = 2160
    """How long features stay there when nothing new is promoted."""
    serving: Address = ""
    """Where versions answer requests: `local:///folder` for a router on this machine; empty: nowhere."""
    experiments: str = ""
    """The database of experiments; empty: a SQLite file in the folder of `serving`."""
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
    return _read(Environment)


def read_means() -> Means:
    """What this process may use; raises ConfigurationError naming the variable that is wrong."""
    return _read(Means)


def _read(kind: type[M]) -> M:
    names = {field: variable_name(field) for field in kind.model_fields}
    found = {field: os.environ[name] for field, name in names.items() if os.environ.get(name)}
    try:
        return kind.model_validate(found)
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


def python_environment() -> dict[str, str]:
    """Return the variables of this environment that an interpreter and its libraries need; none holds a secret."""
    return dict([PASSIVE]) | {name: value for name, value in os.environ.items() if _FOR_PYTHON.fullmatch(name)}


class Torchrun(NamedTuple):
    """The place of this process among those that torchrun has started."""

    rank: int
    processes: int
    local_rank: int
    """Its rank among those of its pod, which is the number of its GPU."""
    local_processes: int
    restarts: int
    """Times that all of them were started again."""
    port: int
    host: str
    """The place of torchrun's store, at which they meet."""


def torchrun_variables() -> Torchrun:
    """Return the variables that torchrun has set. Raises KeyError in a process that it has not started."""
    return Torchrun(
        rank=int(os.environ["RANK"]),
        processes=int(os.environ["WORLD_SIZE"]),
        local_rank=int(os.environ["LOCAL_RANK"]),
        local_processes=int(os.environ["LOCAL_WORLD_SIZE"]),
        restarts=int(os.environ["TORCHELASTIC_RESTART_COUNT"]),
        port=int(os.environ["MASTER_PORT"]),
        host=os.environ["MASTER_ADDR"],
    )


@dataclass(frozen=True)
class Nodes:
    """The pods that train one network together, of which this process is in one."""

    number: int = 1
    index: int = 0
    """The number of this pod, from 0. The first one has the step; the others only train."""
    meeting: str = "localhost:0"
    """Host and port, on the first pod, at which torchrun's processes meet; port 0: any that is free."""
    job: str = ""
    """The name of the Job, which each try of the step has anew."""

    @property
    def store(self) -> tuple[str, int]:
        """Host and port of torchrun's store as this pod reaches it: on the first pod, which needs no name for that."""
        host, _, port = self.meeting.rpartition(":")
        return (host if self.index else "localhost"), int(port)


ONE_NODE = Nodes()


def nodes_variables() -> Nodes:
    """Return the place of this pod in its Job: `TRAINER_NODES`, `_MEETING` and `_JOB`, and Kubernetes' own index.

    Raises ConfigurationError if one of them is missing.
    """
    number = read_means().nodes
    if number == 1:
        return ONE_NODE
    names = ("JOB_COMPLETION_INDEX", "TRAINER_MEETING", "TRAINER_JOB")
    if missing := [name for name in names if not os.environ.get(name)]:
        raise ConfigurationError(f"environment variables: TRAINER_NODES is {number}, so {missing} have to be set")
    index, meeting, job = (os.environ[name] for name in names)
    return Nodes(number, int(index), meeting, job)


def rank_environment(nodes: Nodes) -> dict[str, str]:
    """Return this environment for processes that train together: on one machine they meet on its loopback.

    On several machines gloo takes the interface that has the address of the pod's host name.
    """
    found = {"OMP_NUM_THREADS": "1", **os.environ}
    if nodes.number == 1:
        return {**found, "GLOO_SOCKET_IFNAME": "lo"}
    own = {"TRAINER_NODES": str(nodes.number), "JOB_COMPLETION_INDEX": str(nodes.index)}
    # torchrun would share a store whose address it never sends again, so that a node that joins later waits in vain
    sharing = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    return {**found, **own, "TRAINER_MEETING": nodes.meeting, "TRAINER_JOB": nodes.job, **sharing}


def scoring_server() -> int | None:
    """The descriptor of the fork server for isolated scoring, if this run has one: `TRAINER_SCORING_SERVER`."""
    number = os.environ.get(SCORING_SERVER, "")
    return int(number) if number else None


def authorities_file() -> str:
    """The file with the certificates of the authorities to trust; empty: those that libraries bring.

    Raises ConfigurationError where it is named and is not there.
    """
    name = os.environ.get("SSL_CERT_FILE", "")
    if name and not Path(name).is_file():
        raise ConfigurationError(f"SSL_CERT_FILE: there is no file {name!r}")
    return name


def git_login() -> tuple[str, str]:
    """User and password for private repositories; without a password there is no login.

    A Secret made from a file ends with a line break, which is not part of it.
    """
    password = os.environ.get("GIT_PASSWORD", "").strip()
    user = os.environ.get("GIT_USERNAME", "").strip()
    return (user or "git", password) if password else ("", "")


def redis_login() -> tuple[str, str]:
    """User and password for the feature store; without a password there is no login."""
    password = os.environ.get("REDIS_PASSWORD", "").strip()
    return (os.environ.get("REDIS_USERNAME", "").strip(), password) if password else ("", "")


def cache_folder() -> Path:
    """Where what was fetched is kept for later runs of this person, or of this pod's next tries."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trainer"


def secrets(environment: Mapping[str, str] = os.environ) -> set[str]:
    """The secrets in a process's environment: variables named as such, connections', and the passwords in addresses."""
    found = set()
    for name, value in environment.items():
        if is_connection(name):
            found |= secrets_of(value)
        elif is_secret_name(name):
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
    """CPU cores that this process may use, as a number of threads.

    Of a pod's cores a fraction is left out, but for the first one: threads that wait for each other are all as slow
    as the one that is held back. A container is shown all cores of its machine, so a pod says how many are its own; in
    another container the quota of its control group does.
    """
    given = _cores_given()
    return _visible_cores() if given is None else min(max(1, math.floor(given)), _visible_cores())


def cores_paid() -> float:
    """CPU cores that are kept for this process, used or not: the pod's, the quota's, or those of the machine."""
    given = _cores_given()
    return float(_visible_cores()) if given is None else given


def limited_cores() -> str:
    """Return in words what limits the threads to fewer than the machine's cores; empty if nothing does."""
    visible, used = _visible_cores(), cores()
    if used == visible:
        return ""
    by = "TRAINER_CORES" if read_means().cores is not None else "the CPU quota of the control group"
    return f"{used} of {visible} cores are used: {by} is {_cores_given():g}"


def _cores_given() -> float | None:
    """Cores of the pod, else those of the container's quota, if it is below the cores that are visible."""
    given = read_means().cores
    if given is not None:
        return given
    quota = cpu_quota()
    return quota if quota is not None and quota < _visible_cores() else None


def _visible_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads() -> None:
    """Tell libraries that count the machine's cores themselves how many are this process's, and how threads wait.

    They read it when they are imported. What the environment already says of a library stays.
    """
    os.environ.setdefault(*PASSIVE)
    if _cores_given() is not None:
        for name in THREAD_LIMITS:
            os.environ.setdefault(name, str(cores()))
