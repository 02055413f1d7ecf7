"""docker-compose.yaml: valid, restricted, and in agreement with the environment `compose`, the images and Airflow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml
from airflow.configuration import conf

from include.environment.settings import Settings, read_settings
from include.stack.env_file import write_env
from include.stack.env_keys import KEYS
from include.stack.up import PORTS
from tests.world import PROJECT
from trainer.connections import PREFIX
from trainer.environment import Environment, Means, variable_name

TEXT = (PROJECT / "docker-compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}
RUNNING = sorted({*SERVICES} - ONCE)
SCHEMA = PROJECT / ".data/schemas/compose-spec.json"
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)([^}]*)\}")
DATABASES = (PROJECT / "include/stack/sql/databases.sql").read_text()
SECRETS = {key.name for key in KEYS if key.is_secret}
GIVEN = {
    "postgres": {
        "POSTGRES_PASSWORD", "AIRFLOW_DB_PASSWORD", "MLFLOW_DB_PASSWORD", "STUDIES_DB_PASSWORD", "CHURN_DB_PASSWORD",
        "DASHBOARDS_DB_PASSWORD",
    },
    "redis": {"REDIS_PASSWORD"},
    "s3": {"S3_ACCESS_KEY", "S3_SECRET_KEY"},
    "s3-bucket": {"S3_ACCESS_KEY", "S3_SECRET_KEY"},
    "mail": set(),
    "mlflow-migrate": {"MLFLOW_DB_PASSWORD"},
    "mlflow": {"MLFLOW_DB_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"},
    "airflow-init": {"AIRFLOW_DB_PASSWORD", "AIRFLOW_ADMIN_PASSWORD"},
    "studies-init": {"STUDIES_DB_PASSWORD"},
    "dashboards-views-drop": {"AIRFLOW_DB_PASSWORD", "MLFLOW_DB_PASSWORD", "STUDIES_DB_PASSWORD"},
    "dashboards-views": {"AIRFLOW_DB_PASSWORD", "MLFLOW_DB_PASSWORD", "STUDIES_DB_PASSWORD"},
    "airflow-api-server": {
        "AIRFLOW_DB_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_SECRET_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY",
    },
    "airflow-scheduler": {
        "AIRFLOW_DB_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_JWT_SECRET", "S3_ACCESS_KEY", "S3_SECRET_KEY",
        "STUDIES_DB_PASSWORD", "CHURN_DB_PASSWORD", "REDIS_PASSWORD",
    },
    "airflow-dag-processor": {"AIRFLOW_DB_PASSWORD", "AIRFLOW_FERNET_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY"},
    "airflow-triggerer": {"AIRFLOW_DB_PASSWORD", "AIRFLOW_FERNET_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY"},
    "seed": {"CHURN_DB_PASSWORD"},
    "grafana": {"GRAFANA_ADMIN_PASSWORD", "GRAFANA_SECRET_KEY", "DASHBOARDS_DB_PASSWORD"},
}  # fmt: skip
LISTENS = {
    "postgres": 5432, "redis": 6379, "s3": 8333, "mail": 8025, "mlflow": 5000, "airflow-api-server": 8080, "grafana": 3000,
}  # fmt: skip
SMTP = 1025


@cache
def settings() -> Settings:
    return read_settings("compose", Path("/opt/airflow"))


def environment(name: str) -> dict[str, str]:
    return {key: str(value) for key, value in (SERVICES[name].get("environment") or {}).items()}


def connection(variable: str, service: str = "airflow-scheduler") -> dict[str, Any]:
    """A connection of a service, with its variables as they stand."""
    found: dict[str, Any] = json.loads(environment(service)[variable])
    return found


def addresses() -> list[str]:
    """Each address in the file and in the environment that a container asks, `NAME` for a variable's value."""
    variables = [VARIABLE.sub(r"\1", value) for name in SERVICES for value in environment(name).values()]
    own = [settings().mlflow.tracking_uri, settings().feature_store.address]
    extra = [connection("AIRFLOW_CONN_AWS_DEFAULT")["extra"]["endpoint_url"]]
    found = [*variables, *own, *extra, *SERVICES["mlflow-migrate"]["command"]]
    asked = [value for value in found if re.match(r"[a-z0-9+]+://", value) and not value.startswith(("file:", "s3:"))]
    return [value for value in asked if "localhost" not in value]


def test_it_meets_the_published_schema() -> None:
    if not SCHEMA.exists():
        pytest.skip("needs .data/schemas/compose-spec.json: make data")
    schema = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))
    assert [error.message for error in schema.iter_errors(COMPOSE)] == []
    wrong = {"services": {"mail": {"imagee": "x"}}}
    assert ["'imagee'" in error.message for error in schema.iter_errors(wrong)] == [True]


def test_an_implementation_takes_it(tmp_path: Path) -> None:
    """Debian's docker-compose, which needs no daemon for this; it does not know a top-level `name`."""
    if shutil.which("docker-compose") is None:
        pytest.skip("there is no docker-compose (Debian: apt-get install docker-compose)")
    write_env(tmp_path / ".env")
    command = [
        "docker-compose",
        "--file",
        str(PROJECT / "docker-compose.yaml"),
        "--env-file",
        str(tmp_path / ".env"),
        "config",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)
    assert {*shown["services"]} >= {*SERVICES} - {"seed"}
    assert "${" not in done.stdout
    (tmp_path / ".env").write_text("")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 1
    assert "run make env" in done.stderr


def test_the_services_that_there_are() -> None:
    assert RUNNING == sorted([
        "airflow-api-server", "airflow-dag-processor", "airflow-scheduler", "airflow-triggerer", "grafana", "mail", "mlflow", "postgres",
        "redis", "s3",
    ])  # fmt: skip
    assert sorted(ONCE) == [
        "airflow-init", "dashboards-views", "dashboards-views-drop", "mlflow-migrate", "s3-bucket", "seed", "studies-init",
    ]  # fmt: skip
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["seed"]
    assert "version" not in COMPOSE


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_restricted(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert re.search(r":v?\d+\.\d+(\.\d+)?(-bookworm)?$", service["image"])
    assert not {"privileged", "cap_add", "network_mode", "pid"} & {*service}


@pytest.mark.parametrize("name", RUNNING)
def test_a_server_is_restarted_and_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries"} <= {*SERVICES[name]["healthcheck"]}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_can_be_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert how == {"condition": "service_completed_successfully" if other in ONCE else "service_healthy"}
        assert other in SERVICES


def test_the_order_of_the_start_has_no_circle() -> None:
    from graphlib import TopologicalSorter

    order = [
        *TopologicalSorter({name: service.get("depends_on", {}) for name, service in SERVICES.items()}).static_order()
    ]
    assert order.index("airflow-init") < order.index("airflow-api-server") < order.index("airflow-scheduler")
    for migration in ("airflow-init", "mlflow-migrate", "studies-init"):
        assert order.index("dashboards-views-drop") < order.index(migration) < order.index("dashboards-views")
    assert order.index("s3-bucket") < order.index("mlflow") < order.index("airflow-scheduler")


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_on_loopback(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert len(ports) == (name in PORTS)
    for port in ports:
        assert port == f"127.0.0.1:${{{PORTS[name]}:?run make env}}:{LISTENS[name]}"


def test_every_variable_is_required_and_written_by_make_env() -> None:
    found = VARIABLE.findall(TEXT)
    assert {rest for _, rest in found} == {":?run make env"}
    assert {name for name, _ in found} == {key.name for key in KEYS}
    assert not re.findall(r"(?<!\$)\$[A-Za-z]", TEXT)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_the_secrets_that_it_needs(name: str) -> None:
    assert {key for key, _ in VARIABLE.findall(json.dumps(SERVICES[name]))} & SECRETS == GIVEN[name]


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_in_a_command(name: str) -> None:
    """Every user of the machine sees the arguments of a process."""
    shown = {part: SERVICES[name].get(part) for part in ("command", "entrypoint", "healthcheck")}
    assert VARIABLE.findall(json.dumps(shown)) == []


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_are_named_or_read_only_parts_of_this_folder(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, target, *mode = volume.split(":")
        if source in COMPOSE["volumes"]:
            assert mode == []
            continue
        assert mode == ["ro"]
        assert source == "./.data" or (PROJECT / source).exists(), volume
        assert target.startswith("/")
    assert "/tmp:" in str(SERVICES[name].get("tmpfs", "/tmp:")), name


def test_every_volume_is_used() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {*COMPOSE["volumes"]} == {source for source in used if not source.startswith(".")}


@pytest.mark.parametrize("name", SERVICES)
def test_a_script_that_a_container_runs_is_mounted(name: str) -> None:
    words = [str(word) for part in ("command", "entrypoint") for word in SERVICES[name].get(part, [])]
    words += [str(word) for word in SERVICES[name].get("healthcheck", {}).get("test", [])]
    mounts = dict(volume.split(":")[1::-1] for volume in SERVICES[name].get("volumes", []) if volume.startswith("."))
    for word in words:
        if re.match(r"/(stack|opt)/", word):
            [target] = [target for target in mounts if Path(word).is_relative_to(target)]
            assert (PROJECT / mounts[target] / Path(word).relative_to(target)).exists(), word


def test_images_are_what_the_dockerfiles_build() -> None:
    [version] = re.findall(r'^version = "(.*)"', (PROJECT / "tasks_image/pyproject.toml").read_text(), re.MULTILINE)
    targets = re.findall(r"^FROM \S+ AS (\S+)", (PROJECT / "tasks_image/Dockerfile").read_text(), re.MULTILINE)
    stages = re.findall(r"^FROM \S+ AS (\S+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    for service in SERVICES.values():
        if service["image"].startswith("mlflow"):
            assert (service["image"], service["build"]["context"]) == (f"mlflow-server:{version}", "tasks_image")
            assert service["build"]["target"] in targets
        elif service["image"].startswith("training"):
            assert service["image"] == f"training-airflow-local:{version}" == settings().image
            assert service["build"] == {"context": ".", "args": {"STEPS": "local"}}
            assert "local" in stages
        else:
            assert "build" not in service


def test_airflows_image_can_run_steps_and_has_its_users() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    assert '[ "${STEPS}" = local ]; then trains="--requirement /tmp/requirements.txt"' in text
    assert "trainer describe --extra tabular --extra cluster" in text
    assert re.search(
        r"^apache-airflow-providers-fab==", (PROJECT / "requirements-airflow.txt").read_text(), re.MULTILINE
    )


@pytest.mark.parametrize("name", [name for name in SERVICES if name.startswith("airflow-")])
def test_every_option_of_airflow_exists(name: str) -> None:
    known = {
        (section, option)
        for section, options in conf.configuration_description.items()
        for option in options["options"]
    }
    for variable in environment(name):
        if found := re.fullmatch(r"AIRFLOW__([A-Z_]+?)__([A-Z_]+)", variable):
            assert (found[1].lower(), found[2].lower()) in known, variable
        else:
            assert not variable.startswith("AIRFLOW__")


@pytest.mark.parametrize("name", [name for name in RUNNING if name.startswith("airflow-")])
def test_airflows_servers_agree(name: str) -> None:
    own = environment(name)
    assert own["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert own["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://airflow-api-server:8080/execution/"
    assert own["PIPELINES_ENVIRONMENT"] == settings().name
    assert own["AIRFLOW__CORE__AUTH_MANAGER"] == environment("airflow-init")["AIRFLOW__CORE__AUTH_MANAGER"]
    assert "/opt/airflow/logs" in {volume.split(":")[1] for volume in SERVICES[name]["volumes"]}
    assert SERVICES[name]["command"][0] == name.removeprefix("airflow-")


def test_a_host_is_a_service_and_its_port_the_one_that_it_listens_on() -> None:
    found = {(urlsplit(address).hostname, urlsplit(address).port) for address in addresses()}
    assert found == {
        ("postgres", 5432), ("redis", 6379), ("s3", 8333), ("mlflow", 5000), ("airflow-api-server", 8080),
    }  # fmt: skip
    assert all(LISTENS[str(host)] == port for host, port in found)


def test_every_role_and_database_is_created_with_its_password() -> None:
    roles = dict(re.findall(r"ALTER ROLE (\w+) LOGIN PASSWORD :'(\w+)'", DATABASES))
    variables = dict(re.findall(r"\\getenv (\w+) (\w+)", DATABASES))
    [databases] = re.findall(r"CREATE DATABASE %I OWNER %I', name, name\)\nFROM unnest\(ARRAY\[(.*)\]", DATABASES)
    assert {variables[name] for name in roles.values()} == GIVEN["postgres"] - {"POSTGRES_PASSWORD"}
    of_addresses = [urlsplit(address) for address in addresses() if address.startswith("postgresql")]
    logins = {(one.username, one.path.strip("/")) for one in of_addresses}
    for name in ("STUDIES", "CHURN"):
        own = connection(f"AIRFLOW_CONN_{name}")
        assert (own["host"], own["port"]) == ("postgres", 5432)
        assert own["password"] == f"${{{name}_DB_PASSWORD:?run make env}}"
        logins.add((own["login"], own["schema"]))
    assert logins == {(name, name) for name in re.findall(r"\w+", databases)}
    for address in of_addresses:
        if address.password is not None:
            assert address.password == f"{str(address.username).upper()}_DB_PASSWORD"


@pytest.mark.parametrize("address", [address for address in addresses() if address.startswith("postgresql")])
def test_sqlalchemy_gets_the_driver_that_the_images_have(address: str) -> None:
    assert address.startswith("postgresql+psycopg2://") or urlsplit(address).username == "churn"  # for libpq


def test_the_environment_names_connections_that_the_scheduler_has() -> None:
    own = settings()
    named = {own.aws_connection, own.study_connection, own.feature_store.connection, own.alerts.connection, "churn"}
    given = {
        name.removeprefix("AIRFLOW_CONN_").lower()
        for name in environment("airflow-scheduler")
        if "AIRFLOW_CONN_" in name
    }
    assert given == named
    assert (own.runtime, own.alerts.outbox, own.samples) == ("local", None, True)
    assert connection("AIRFLOW_CONN_REDIS_FEATURES")["password"] == environment("redis")["REDISCLI_AUTH"]
    assert (connection("AIRFLOW_CONN_SMTP_DEFAULT")["host"], connection("AIRFLOW_CONN_SMTP_DEFAULT")["port"]) == (
        "mail",
        SMTP,
    )


@pytest.mark.parametrize("service", ["airflow-api-server", "airflow-scheduler", "airflow-dag-processor"])
def test_who_reads_run_folders_reaches_the_store(service: str) -> None:
    aws = connection("AIRFLOW_CONN_AWS_DEFAULT", service)
    own = environment("s3")
    assert (aws["login"], aws["password"]) == (own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"])


@pytest.mark.parametrize("service", ["airflow-scheduler", "airflow-dag-processor"])
def test_who_sends_mails_reaches_the_catcher(service: str) -> None:
    assert connection("AIRFLOW_CONN_SMTP_DEFAULT", service)["host"] == "mail"


def test_all_use_the_bucket_that_is_created() -> None:
    bucket = SERVICES["s3-bucket"]["command"][-1]
    [root] = [word for word in SERVICES["mlflow"]["command"] if word.startswith("--default-artifact-root=")]
    assert urlsplit(settings().artifact_store).netloc == urlsplit(root.partition("=")[2]).netloc == bucket


def test_grafana_reads_as_the_role_that_may() -> None:
    sources = yaml.safe_load((PROJECT / "include/stack/grafana/datasources.yaml").read_text())["datasources"]
    granted = re.search(r"GRANT CONNECT ON DATABASE (.*) TO dashboards", DATABASES)
    assert granted is not None
    assert {one["jsonData"]["database"] for one in sources} == {*granted[1].split(", ")}
    for one in sources:
        assert (one["url"], one["user"]) == ("postgres:5432", "dashboards")
        variable = one["secureJsonData"]["password"].removeprefix("$")
        assert environment("grafana")[variable] == f"${{{variable}:?run make env}}"


def test_the_data_lies_where_the_scheduler_and_the_seed_look() -> None:
    for name in ("airflow-scheduler", "seed"):
        assert "./.data:/opt/airflow/.data:ro" in SERVICES[name]["volumes"]
    assert settings().data_store == environment("seed")["TRAINER_DATA_STORE"] == "file:///opt/airflow/.data"


def test_every_variable_of_the_trainer_exists() -> None:
    known = {variable_name(field) for model in (Environment, Means) for field in model.model_fields}
    for variable in environment("seed"):
        assert variable in known or variable.startswith(PREFIX)


def test_mlflow_has_two_workers_and_a_time_out_of_two_minutes() -> None:
    assert {"--workers=2", "--uvicorn-opts=--timeout-keep-alive 120"} <= {*SERVICES["mlflow"]["command"]}
