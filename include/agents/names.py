"""Names and numbers that an agent gives: taken if they are what they should be, else refused with what is allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import quote

from include.agents.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable

TRAINING = "_training"
_PIPELINE = re.compile(r"[a-z][a-z0-9_]{0,99}")
_DAG = re.compile(r"[a-z][a-z0-9_]{0,99}_(?:training|scoring|monitoring|requests)")
_AIRFLOW_RUN = re.compile(r"(?!\.+$)[A-Za-z0-9_.~:+-]{1,250}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_VERSION = re.compile(r"[1-9][0-9]{0,9}")
_MLFLOW_RUN = re.compile(r"[0-9a-f]{32}")
LONGEST_SHOWN = 100
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Job:
    """A run of a DAG."""

    dag_id: str
    run_id: str

    @property
    def name(self) -> str:
        """Return the name that tools know it by."""
        return f"{self.dag_id}/{self.run_id}"

    @property
    def path(self) -> str:
        """Return its path below `/api/v2` of Airflow's REST API."""
        return f"/dags/{self.dag_id}/dagRuns/{quote(self.run_id, safe='')}"

    @property
    def page(self) -> str:
        """Return the path of its page in Airflow's UI."""
        return f"/dags/{self.dag_id}/runs/{quote(self.run_id, safe='')}"


def parse_job(job_name: str, *, of_training: bool = False) -> Job:
    """Return the run that a name `<dag_id>/<run_id>` stands for. Raises ToolError."""
    dag_id, _, run_id = str(job_name).strip().partition("/")
    if not _DAG.fullmatch(dag_id) or not _AIRFLOW_RUN.fullmatch(run_id):
        raise ToolError(
            f"job_name: expected <dag_id>/<run_id>, such as churn_training/manual__1, found {shown(job_name)}"
        )
    if of_training and not dag_id.endswith(TRAINING):
        raise ToolError(f"job_name: expected a training run, <pipeline>_training/<run_id>, found {shown(job_name)}")
    return Job(dag_id, run_id)


def parse_pipeline(name: str) -> str:
    """Return a pipeline's name; that of its training DAG is taken too. Raises ToolError."""
    found = str(name).strip().removesuffix(TRAINING)
    if not _PIPELINE.fullmatch(found):
        raise ToolError(f"model_type: expected a pipeline's name (a-z, 0-9, _), found {shown(name)}")
    return found


def is_pipeline(name: str) -> bool:
    """Return True for what can be the name of a pipeline."""
    return _PIPELINE.fullmatch(name) is not None


def parse_model(name: str) -> str:
    """Return the name of a registered model. Raises ToolError."""
    found = str(name).strip()
    if not _MODEL.fullmatch(found):
        raise ToolError(f"model: expected a registered model's name (A-Z a-z 0-9 . _ -), found {shown(name)}")
    return found


def parse_version(number: int | str) -> str:
    """Return the number of a version as MLflow writes it. Raises ToolError."""
    found = str(number).strip().removeprefix("v")
    if isinstance(number, bool) or not _VERSION.fullmatch(found):
        raise ToolError(f"version: expected a whole number from 1, found {shown(number)}")
    return found


def parse_mlflow_run(run_id: str) -> str:
    """Return the id of a run in MLflow. Raises ToolError."""
    found = str(run_id).strip()
    if not _MLFLOW_RUN.fullmatch(found):
        raise ToolError(
            f"run_id: expected 32 hexadecimal digits, as list_mlflow_experiments gives, found {shown(run_id)}"
        )
    return found


def parse_number(name: str, value: object) -> float:
    """Return a finite number, which may be given as a string. Raises ToolError."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError  # noqa: TRY301, TRY004
        number = float(value)
    except (ValueError, OverflowError):
        number = float("nan")
    if number - number != 0:  # not a number, or infinite
        raise ToolError(f"{name}: expected a number, found {shown(value)}")
    return number


def parse_integer(name: str, value: object) -> int:
    """Return a whole number, which may be given as a string. Raises ToolError."""
    number = parse_number(name, value)
    if not number.is_integer():
        raise ToolError(f"{name}: expected a whole number, found {shown(value)}")
    return int(number)


def parse_boolean(name: str, value: object) -> bool:
    """Return a boolean, which may be given as a string. Raises ToolError."""
    text = str(value).strip().lower()
    if text not in (*TRUE, *FALSE):
        raise ToolError(f"{name}: expected true or false, found {shown(value)}")
    return text in TRUE


def shown(value: object) -> str:
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def one_of(known: Iterable[str], given: str) -> str:
    """Return what is allowed, as the end of a message; a name that is alike comes first."""
    names = sorted(known)
    alike = get_close_matches(given, names, 1)
    guess = f"; did you mean {alike[0]!r}?" if alike else "."
    return f"{guess} Known are: {', '.join(names)}" if names else "; none are known"
