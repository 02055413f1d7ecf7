"""The environment variables of a step."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from trainer import environment
from trainer.environment import (
    ONE_NODE,
    THREAD_LIMITS,
    Environment,
    Means,
    Nodes,
    cores,
    cores_paid,
    git_environment,
    git_login,
    limit_threads,
    limited_cores,
    nodes_variables,
    rank_environment,
    read_environment,
    read_means,
    redis_login,
    variable,
    variable_name,
)
from trainer.errors import ConfigurationError

NAMES = [variable_name(field) for field in Environment.model_fields]


@pytest.fixture(autouse=True)
def _only_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")


def test_names_of_the_variables() -> None:
    assert NAMES == [
        "TRAINER_CORES", "TRAINER_GPUS", "TRAINER_NODES", "TRAINER_CPU_CORE_HOUR_RATE", "TRAINER_GPU_HOUR_RATE",
        "MLFLOW_TRACKING_URI", "TRAINER_ARTIFACT_LOCATION", "TRAINER_STUDY_STORAGE", "TRAINER_DATA_STORE",
        "TRAINER_FEATURE_STORE", "TRAINER_FEATURE_STORE_HOURS", "TRAINER_SERVING", "TRAINER_EXPERIMENTS", "TRAINER_SAMPLES", "TRAINER_PIPELINE", "TRAINER_CODE", "TRAINER_AIRFLOW_RUN_ID",
        "TRAINER_GIT_COMMIT", "TRAINER_IMAGE", "TRAINER_LOG_FORMAT",
    ]  # fmt: skip


def test_only_the_tracking_uri_is_needed() -> None:
    assert read_environment() == Environment(tracking_uri="sqlite:///mlflow.db")
    assert not read_environment().samples


@pytest.mark.parametrize("name", NAMES)
def test_each_variable_reaches_its_field(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    values = {
        "TRAINER_SAMPLES": ("true", True),
        "TRAINER_FEATURE_STORE_HOURS": ("1.5", 1.5),
        "TRAINER_LOG_FORMAT": ("json", "json"),
        "TRAINER_CORES": ("1.5", 1.5),
        "TRAINER_GPUS": ("2", 2),
        "TRAINER_NODES": ("3", 3),
        "TRAINER_CPU_CORE_HOUR_RATE": ("0.05", 0.05),
        "TRAINER_GPU_HOUR_RATE": ("0", 0.0),
    }
    text, expected = values.get(name, ("something", "something"))
    monkeypatch.setenv(name, text)
    field = next(field for field in Environment.model_fields if variable_name(field) == name)
    assert getattr(read_environment(), field) == expected


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_LOG_FORMAT", "")
    assert read_environment().log_format == "text"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with pytest.raises(ConfigurationError, match=r"MLFLOW_TRACKING_URI: field required; `source \.airflow/env`"):
        read_environment()


def test_every_wrong_variable_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_SAMPLES", "perhaps-a-secret")
    monkeypatch.setenv("TRAINER_LOG_FORMAT", "xml-a-secret")
    with pytest.raises(
        ConfigurationError, match=r"TRAINER_SAMPLES: .*boolean.*; TRAINER_LOG_FORMAT: .*'json'"
    ) as caught:
        read_environment()
    assert "a-secret" not in str(caught.value)


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
    assert cores_paid() == cores()


def test_a_single_variable_needs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert variable("code") == ""
    monkeypatch.setenv("TRAINER_CODE", "/code")
    assert variable("code") == "/code"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"GIT_USERNAME": "anna", "GIT_PASSWORD": "pa55word\n"}, ("anna", "pa55word"), id="both"),
        pytest.param({"GIT_PASSWORD": "token1"}, ("git", "token1"), id="token"),
        pytest.param({"GIT_USERNAME": "anna"}, ("", ""), id="no-password"),
        pytest.param({}, ("", ""), id="none"),
    ],
)
def test_the_login_of_a_repository(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[str, str]
) -> None:
    for name in ("GIT_USERNAME", "GIT_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert git_login() == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("", "")),
        ({"REDIS_PASSWORD": "kept\n"}, ("", "kept")),
        ({"REDIS_PASSWORD": "kept", "REDIS_USERNAME": "carl\n"}, ("carl", "kept")),
        ({"REDIS_USERNAME": "carl"}, ("", "")),
    ],
)
def test_the_login_of_the_feature_store(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: tuple[str, str]
) -> None:
    for name in ("REDIS_USERNAME", "REDIS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert redis_login() == expected


def test_git_sees_how_to_reach_servers_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    monkeypatch.setenv("GIT_SSH_COMMAND", "planted")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    found = git_environment()
    assert found["https_proxy"] == "http://proxy:3128"
    assert "planted" not in found.values()


@pytest.mark.parametrize(
    ("given", "expected"),
    [("0.25", 1), ("1", 1), ("1.9", 1), ("2.5", 2), ("3", 3), ("64", 4)],
    ids=["part-of-one", "one", "almost-two", "two-and-a-half", "three", "more-than-there-are"],
)
def test_cores_of_a_pod_are_whole_and_no_more_than_there_are(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")  # it is asked for where nothing else is known
    monkeypatch.setenv("TRAINER_CORES", given)
    assert cores() == expected
    assert cores_paid() == float(given)


def test_a_quota_bounds_the_threads_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(environment, "cpu_quota", lambda: 2.5)
    assert (cores(), cores_paid()) == (2, 2.5)
    assert limited_cores() == "2 of 4 cores are used: the CPU quota of the control group is 2.5"
    monkeypatch.setenv("TRAINER_CORES", "1")
    assert limited_cores() == "1 of 4 cores are used: TRAINER_CORES is 1"
    monkeypatch.delenv("TRAINER_CORES")
    monkeypatch.setattr(environment, "cpu_quota", lambda: 64.0)
    assert (cores(), cores_paid(), limited_cores()) == (4, 4.0, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRAINER_CORES", "0"),
        ("TRAINER_CORES", "all"),
        ("TRAINER_CORES", "nan"),
        ("TRAINER_GPUS", "-1"),
        ("TRAINER_GPUS", "0.5"),
        ("TRAINER_GPU_HOUR_RATE", "-0.1"),
        ("TRAINER_CPU_CORE_HOUR_RATE", "inf"),
    ],
)
def test_means_that_are_none_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=rf"{name}: input should be"):
        read_means()


def test_without_variables_nothing_is_known_of_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert read_means() == Means(cores=None, gpus=0, cpu_core_hour_rate=None, gpu_hour_rate=None)


def test_a_pod_of_a_job_knows_its_place_or_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert nodes_variables() == ONE_NODE
    assert rank_environment(ONE_NODE)["GLOO_SOCKET_IFNAME"] == "lo"
    monkeypatch.setenv("TRAINER_NODES", "3")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    with pytest.raises(ConfigurationError, match=r"TRAINER_NODES is 3, so \['TRAINER_MEETING', 'TRAINER_JOB'\] have"):
        nodes_variables()
    monkeypatch.setenv("TRAINER_MEETING", "job-a-0.job-a:29400")
    monkeypatch.setenv("TRAINER_JOB", "job-a")
    found = nodes_variables()
    assert found == Nodes(3, 2, "job-a-0.job-a:29400", "job-a")
    assert found.store == ("job-a-0.job-a", 29400)
    assert Nodes(3, 0, "job-a-0.job-a:29400", "job-a").store == ("localhost", 29400)
    assert "GLOO_SOCKET_IFNAME" not in rank_environment(found), "other machines are not at the loopback"


def test_libraries_that_count_cores_are_told_of_a_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_LIMITS:
        monkeypatch.setenv(name, "kept")
    for name in THREAD_LIMITS[1:]:
        monkeypatch.delenv(name)
    limit_threads()
    assert not {*THREAD_LIMITS[1:]} & {*os.environ}
    monkeypatch.setenv("TRAINER_CORES", "1")
    limit_threads()
    assert [os.environ[name] for name in THREAD_LIMITS] == ["kept", *["1"] * (len(THREAD_LIMITS) - 1)]


# Each library says how many threads it would start where nobody tells it a number.
COUNTED = """
import os
from trainer.environment import limit_threads
limit_threads()
import joblib, polars, pyarrow
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
print(joblib.cpu_count(), polars.thread_pool_size(), pyarrow.cpu_count(), _openmp_effective_n_threads())
"""


@pytest.mark.skipif((os.cpu_count() or 1) == 1, reason="needs more than one core")
def test_libraries_start_as_many_threads_as_the_pod_has_cores() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_LIMITS}
    done = subprocess.run(
        [sys.executable, "-c", COUNTED],
        env={**environment, "TRAINER_CORES": "1.5"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "1", "1", "1"]


WAITS = "from trainer.environment import limit_threads; limit_threads(); import lightgbm"


@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_that_wait_leave_their_core_to_others(given: dict[str, str], policy: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", WAITS], env={**environment, **given, "OMP_DISPLAY_ENV": "TRUE"}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr
