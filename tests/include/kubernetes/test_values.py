"""The values of Airflow's Helm chart, held against our image, environment and manifests.

The chart's schema is not among the published files, so that the names of its keys are not checked here.
"""

from __future__ import annotations

import re

import pytest
import yaml

from include.environment.settings import read_settings
from tests.include.kubernetes.rendering import FOLDER, Object, find
from tests.kubernetes.security import violations
from tests.world import PROJECT

TEXT = (FOLDER / "values.yaml").read_text()
VALUES: Object = yaml.safe_load(TEXT)
SECRETS = dict(re.findall(r"^#   (airflow-[\w-]+) +([\w-]+(?:, \w+)*)", TEXT, re.MULTILINE))
"""The keys of each Secret that the file's head names."""


def test_the_image_is_ours_and_of_the_same_airflow() -> None:
    [version] = re.findall(r"ARG AIRFLOW_BASE=apache/airflow:([\d.]+)-", (PROJECT / "Dockerfile").read_text())
    assert VALUES["airflowVersion"] == VALUES["defaultAirflowTag"] == version
    image = VALUES["images"]["airflow"]
    production = yaml.safe_load((PROJECT / "include/environments/production.yaml").read_text())
    steps = production["kubernetes"]["images"]["tabular"]
    assert f"{image['repository']}:{image['tag']}" == steps.replace("trainer-tabular", "training-airflow")


def test_each_secret_that_is_named_is_described() -> None:
    named = {VALUES["data"]["metadataSecretName"], *(VALUES[key] for key in VALUES if key.endswith("SecretName"))}
    [connections] = [one["secretRef"]["name"] for one in yaml.safe_load(VALUES["extraEnvFrom"])]
    assert {*SECRETS} == named | {connections}
    assert len(named) == 4


def test_connections_are_those_that_production_asks_for() -> None:
    settings = read_settings("production", PROJECT)
    wanted = {settings.aws_connection, settings.alerts.connection, VALUES["config"]["logging"]["remote_log_conn_id"]}
    assert {f"AIRFLOW_CONN_{str(name).upper()}" for name in wanted} == {*SECRETS["airflow-connections"].split(", ")}
    assert settings.kubernetes.connection is None  # in the cluster, it uses its own account
    assert VALUES["env"] == [{"name": "PIPELINES_ENVIRONMENT", "value": "production"}]
    assert VALUES["config"]["logging"]["remote_base_log_folder"].split("/")[2] == settings.artifact_store.split("/")[2]


def test_no_password_is_in_the_file_and_no_user_is_made() -> None:
    assert VALUES["createUserJob"] == {"enabled": False}
    assert VALUES["postgresql"] == {"enabled": False}
    body = yaml.safe_dump(VALUES).lower()
    assert not re.search(r"pass|metadataconnection|://[^/@\s]*:[^@\s]*@", body)
    assert {key for key in VALUES if re.search("secret|fernet", key, re.IGNORECASE)} == {
        "fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName",
    }  # fmt: skip


@pytest.mark.parametrize("component", ["scheduler", "triggerer"])
def test_accounts_have_the_rights_of_the_manifests(component: str) -> None:
    account = VALUES[component]["serviceAccount"]["name"]
    subjects = find("production", "RoleBinding", "airflow")["subjects"]
    assert {"kind": "ServiceAccount", "name": account, "namespace": "airflow"} in subjects
    assert VALUES["allowPodLaunching"] is False


def test_people_reach_it_by_the_address_that_it_calls_its_own() -> None:
    [host] = VALUES["ingress"]["apiServer"]["hosts"]
    assert host["tls"]["enabled"] is True
    assert VALUES["config"]["api"]["base_url"] == f"https://{host['name']}"


def test_its_pods_are_admitted() -> None:
    container = {"name": "airflow", "securityContext": VALUES["securityContexts"]["containers"]}
    assert (
        violations({"containers": [container], "securityContext": VALUES["securityContexts"]["pod"]}, "restricted")
        == []
    )
    level = find("production", "Namespace", "airflow")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert level == "restricted"
    assert VALUES["networkPolicies"] == {"enabled": False}
