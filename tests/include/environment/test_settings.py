"""The settings of an environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from include.environment.settings import (
    ENVIRONMENTS,
    credentials,
    inherited_environment,
    load_settings,
    pipelines_folder,
    read_settings,
    step_environment,
)
from trainer.environment import read_environment
from trainer.errors import ConfigurationError

SHIPPED = sorted(file.stem for file in ENVIRONMENTS.glob("*.yaml"))


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    """A copy of the shipped environments, to be changed."""
    return Path(shutil.copytree(ENVIRONMENTS, tmp_path / "environments"))


def test_these_environments_are_shipped() -> None:
    assert SHIPPED == ["compose", "default", "development", "production", "staging", "trial"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_environment_loads(name: str, enter: Callable[[str], None]) -> None:
    enter(name)
    settings = load_settings()
    assert settings.name == name
    assert settings.alerts.recipients == ["mlops-team@example.com"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_environment_names_no_unresolved_home(name: str) -> None:
    assert "{home}" not in read_settings(name, Path("/somewhere")).model_dump_json()


@pytest.mark.parametrize("name", ["staging", "production"])
def test_real_environments_allow_no_samples_and_keep_their_data_apart(name: str) -> None:
    settings = read_settings(name, Path("/somewhere"))
    assert not settings.samples
    assert settings.artifact_store == f"s3://ml-{name}/runs"
    assert settings.data_store == f"s3://ml-{name}/data"
    assert settings.aws_connection == "aws_default"
    assert step_environment(settings)["TRAINER_SAMPLES"] == ""


def test_only_a_mail_server_gets_the_mails_of_production_and_compose() -> None:
    assert [name for name in SHIPPED if read_settings(name, Path("/x")).alerts.outbox is None] == [
        "compose",
        "production",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("prodution", r"no environment 'prodution'.*did you mean.*production"),
        ("", r"no environment ''"),
        ("../production", r"no environment '\.\./production'"),
    ],
    ids=["typo", "empty", "a path"],
)
def test_unknown_environment_is_refused(given: str, message: str, enter: Callable[[str], None]) -> None:
    enter(given)
    with pytest.raises(ConfigurationError, match=message):
        load_settings()


def test_without_a_name_the_environment_is_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELINES_ENVIRONMENT")
    assert load_settings().name == "default"


@pytest.mark.parametrize("name", ["staging", "production", "load_test"])
def test_samples_are_refused_where_they_are_not_allowed(name: str, environments: Path) -> None:
    file = environments / f"{name}.yaml"
    document = yaml.safe_load(file.read_text()) if file.exists() else {}
    file.write_text(yaml.safe_dump({**document, "samples": True}))
    with pytest.raises(
        ConfigurationError,
        match="samples: only default and development and trial and compose may fall back to a sample",
    ):
        read_settings(name, Path("/x"), environments)


def test_an_environment_that_forgets_samples_is_refused_rather_than_given_them(environments: Path) -> None:
    (environments / "load_test.yaml").write_text("retries: 0\n")
    with pytest.raises(ConfigurationError, match="samples"):
        read_settings("load_test", Path("/x"), environments)


def test_an_environment_cannot_call_itself_development(environments: Path) -> None:
    (environments / "production.yaml").write_text("name: development\nsamples: true\n")
    with pytest.raises(ConfigurationError, match="samples"):
        read_settings("production", Path("/x"), environments)


def test_an_environment_is_laid_over_the_default_key_by_key(environments: Path) -> None:
    (environments / "development.yaml").write_text("retries: 7\nmlflow: {artifact_location: 's3://elsewhere'}\n")
    settings = read_settings("development", Path("/x"), environments)
    default = read_settings("default", Path("/x"), environments)
    assert settings.retries == 7
    assert settings.mlflow.artifact_location == "s3://elsewhere"
    assert settings.mlflow.tracking_uri == default.mlflow.tracking_uri
    assert settings.alerts == default.alerts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retrys: 3", "retrys"),
        ("mlflow: {tracking: x}", r"mlflow\.tracking"),
        ("retries: -1", "retries"),
        ("retries: 1\nretries: 2", "twice"),
        ("alerts: {recipients: []}", "recipients"),
        ("runtime: docker", "runtime"),
    ],
    ids=["unknown key", "unknown inner key", "negative", "key twice", "nobody to tell", "unknown runtime"],
)
def test_a_wrong_file_is_refused_by_name(text: str, message: str, environments: Path) -> None:
    (environments / "development.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_settings("development", Path("/x"), environments)


def test_home_is_what_pipelines_home_names(home: Path) -> None:
    settings = load_settings()
    assert settings.artifact_store == f"file://{home}/.runs"
    assert settings.mlflow.tracking_uri == f"sqlite:///{home}/.mlflow/mlflow.db"
    assert settings.alerts.outbox == f"{home}/.outbox"


def test_home_is_this_checkout_by_default(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    monkeypatch.delenv("PIPELINES_HOME")
    assert load_settings().artifact_store == f"file://{project}/.runs"


def test_pipelines_are_in_include_unless_the_environment_names_a_folder(
    monkeypatch: pytest.MonkeyPatch, project: Path, tmp_path: Path
) -> None:
    assert pipelines_folder() == project / "include" / "pipelines"
    monkeypatch.setenv("PIPELINES_FOLDER", str(tmp_path))
    assert pipelines_folder() == tmp_path


@pytest.mark.parametrize("name", SHIPPED)
def test_a_step_understands_every_variable_it_is_given(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings(name, Path("/x"))
    for variable, value in step_environment(settings).items():
        monkeypatch.setenv(variable, value)
    environment = read_environment()
    assert environment.tracking_uri == settings.mlflow.tracking_uri
    assert environment.artifact_location == settings.mlflow.artifact_location
    assert environment.study_storage == settings.study_storage
    assert environment.data_store == settings.data_store
    assert environment.feature_store == settings.feature_store.address
    assert environment.feature_store_hours == settings.feature_store.hours
    assert environment.samples == settings.samples
    assert environment.log_format == settings.log_format


AWS = {
    "AWS_ACCESS_KEY_ID": "key-1",
    "AWS_SECRET_ACCESS_KEY": "secret-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
}
EXTRA = '{"region_name": "eu-west-1", "endpoint_url": "http://127.0.0.1:9000"%s}'


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        ('{"conn_type": "aws", "login": "key-1", "password": "secret-1", "extra": ' + EXTRA % "" + "}", AWS),
        (
            '{"conn_type": "aws", "extra": '
            + EXTRA % ', "aws_access_key_id": "key-1", "aws_secret_access_key": "secret-1", "aws_session_token": "t"'
            + "}",
            {**AWS, "AWS_SESSION_TOKEN": "t"},
        ),
        ("aws://", {}),
    ],
    ids=["login and password", "extra", "empty: the machine's own role"],
)
def test_credentials_come_from_the_aws_connection(
    connection: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
    assert credentials(read_settings("production", Path("/x"))) == expected


def test_logins_of_mlflow_and_of_the_studies_come_from_connections(
    environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = environments / "staging.yaml"
    text = file.read_text().replace("aws_connection: aws_default", "study_connection: studies")
    named = "feature_store: {address: rediss://redis:6379, connection: features}\nmlflow:\n  connection: tracking\n"
    file.write_text(text.replace("mlflow:\n", named))
    monkeypatch.setenv("AIRFLOW_CONN_FEATURES", "redis://carl:p%2Fwd@redis:6379")
    monkeypatch.setenv("AIRFLOW_CONN_TRACKING", "http://anna:p%40ss@")
    monkeypatch.setenv("AIRFLOW_CONN_STUDIES", "postgres://bert:w%2Frd@db:5432/studies")
    monkeypatch.setenv("ENVIRONMENTS_FOLDER", str(environments))
    monkeypatch.setenv("PIPELINES_ENVIRONMENT", "staging")
    load_settings.cache_clear()
    settings = load_settings().model_copy(update={"aws_connection": None})
    assert credentials(settings) == {
        "MLFLOW_TRACKING_USERNAME": "anna",
        "MLFLOW_TRACKING_PASSWORD": "p@ss",
        "TRAINER_STUDY_STORAGE": "postgresql://bert:w%2Frd@db:5432/studies",
        "REDIS_USERNAME": "carl",
        "REDIS_PASSWORD": "p/wd",
    }


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("artifact_store: s3://", "artifact_store: s3://key:planted@", "artifact_store"),
        ("tracking_uri: http://", "tracking_uri: http://anna:planted@", "mlflow"),
        ("data_store: s3://ml-staging", "data_store: https://h/?sig=planted#", "data_store"),
        ("aws_connection: aws_default", "feature_store: {address: redis://:planted@h}", "feature_store"),
    ],
)
def test_a_secret_in_an_address_is_refused_without_saying_it(
    old: str, new: str, where: str, environments: Path
) -> None:
    file = environments / "staging.yaml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ConfigurationError, match=f"{where}: an address holds a .*Airflow connection") as raised:
        read_settings("staging", Path("/x"), environments)
    assert "planted" not in str(raised.value)


def test_where_no_connection_is_named_there_are_no_credentials() -> None:
    assert credentials(load_settings()) == {}


def test_a_connection_that_is_named_and_missing_is_an_error(airflow_home: Path) -> None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    with pytest.raises(AirflowNotFoundException, match="aws_default"):
        credentials(read_settings("production", Path("/x")))


def test_a_step_inherits_nothing_of_airflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://key:secret@")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "fernet")
    monkeypatch.setenv("KEPT_FOR_A_STEP", "yes")
    inherited = inherited_environment()
    assert [name for name in inherited if name.startswith("AIRFLOW")] == []
    assert inherited["KEPT_FOR_A_STEP"] == "yes"
    assert inherited["PATH"] == os.environ["PATH"]


def test_a_shell_can_take_the_printed_settings(tmp_path: Path, project: Path) -> None:
    home = tmp_path / "a 'home' with $(odd) characters"
    home.mkdir()
    shell = 'eval "$("$PYTHON" -m include.environment.settings)" && printf "%s\\n" "$MLFLOW_TRACKING_URI" "$TRAINER_SAMPLES" && env'
    variables = {"PYTHON": sys.executable, "PYTHONPATH": str(project), "PIPELINES_HOME": str(home)}
    done = subprocess.run(
        ["bash", "-euc", shell], env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    tracking_uri, samples, *environment = done.stdout.splitlines()
    assert tracking_uri == f"sqlite:///{home}/.mlflow/mlflow.db"
    assert samples == "true"
    assert set(step_environment(load_settings())) <= {line.partition("=")[0] for line in environment}
