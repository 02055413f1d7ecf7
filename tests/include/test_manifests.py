"""The cluster's manifests: against the published schema, the restricted standard, and what Airflow needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "include" / "kubernetes"
VERSION = "1.34"
KUSTOMIZATIONS = sorted(FOLDER.glob("*/kustomization.yaml"))
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
"""The kinds of volume that the restricted standard allows."""


def manifests() -> list[Any]:
    """Every object in the folder, named by its file and itself."""
    return [
        pytest.param(found, id=f"{file.parent.name}/{file.stem}-{found['kind']}-{found['metadata']['name']}")
        for file in sorted(FOLDER.glob("*/*.yaml"))
        if file not in KUSTOMIZATIONS
        for found in yaml.safe_load_all(file.read_text())
    ]


def pod_templates() -> list[Any]:
    return [
        pytest.param(one.values[0]["spec"]["template"]["spec"], id=str(one.id))
        for one in manifests()
        if one.values[0]["kind"] == "Deployment"
    ]


def named(kind: str, name: str) -> dict[str, Any]:
    """The one object of this kind and name."""
    objects: list[dict[str, Any]] = [one.values[0] for one in manifests()]
    [found] = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def unrestricted(pod: dict[str, Any]) -> list[str]:
    """What the restricted Pod Security Standard refuses in a pod; empty if nothing."""
    context = pod.get("securityContext", {})
    faults = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    faults += [f"volume {v['name']}" for v in pod.get("volumes", []) if not ({*v} - {"name"}) <= VOLUMES]
    faults += ["sysctls"] if context.get("sysctls") else []
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        own = {**context, **container.get("securityContext", {})}
        wrong = {
            "runAsNonRoot": own.get("runAsNonRoot") is not True,
            "runAsUser": own.get("runAsUser", 1) == 0,
            "seccompProfile": own.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"},
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
            "privileged": bool(own.get("privileged")),
            "capabilities": own.get("capabilities", {}) not in ({"drop": ["ALL"]}, {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
            "procMount": own.get("procMount", "Default") != "Default",
            "hostPort": any("hostPort" in port for port in container.get("ports", [])),
        }  # fmt: skip
        faults += [f"{container['name']}: {name}" for name, is_wrong in wrong.items() if is_wrong]
    return faults


@pytest.mark.parametrize("manifest", manifests())
def test_the_published_schema_takes_it(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_the_schema_refuses_a_key_that_does_not_exist() -> None:
    wrong = {**named("Deployment", "mlflow"), "spce": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


@pytest.mark.parametrize("file", KUSTOMIZATIONS, ids=lambda file: file.parent.name)
def test_a_kustomization_lists_the_files_that_are_there(file: Path) -> None:
    listed = yaml.safe_load(file.read_text())["resources"]
    files = sorted(name for name in listed if name.endswith(".yaml"))
    assert files == sorted(one.name for one in file.parent.glob("*.yaml") if one != file)
    assert all((file.parent / name).exists() for name in listed)


def test_all_kustomizations_are_looked_at() -> None:
    assert [file.parent.name for file in KUSTOMIZATIONS] == ["base", "staging", "trial"]


def test_staging_has_the_namespace_that_its_environment_names() -> None:
    environment = yaml.safe_load((FOLDER.parent / "environments" / "staging.yaml").read_text())
    kustomization = yaml.safe_load((FOLDER / "staging" / "kustomization.yaml").read_text())
    assert kustomization["namespace"] == environment["kubernetes"]["namespace"]


@pytest.mark.parametrize("pod", pod_templates())
def test_a_pod_meets_the_restricted_standard(pod: dict[str, Any]) -> None:
    assert unrestricted(pod) == []


@pytest.mark.parametrize("pod", pod_templates())
def test_a_pod_is_hardened_beyond_it(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert "readinessProbe" in container
        assert {*container["resources"]["requests"]} == {*container["resources"]["limits"]} == {"cpu", "memory"}
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"volumes": [{"name": "disk", "hostPath": {"path": "/"}}]}, "volume disk"),
        ({"securityContext": {"runAsNonRoot": True}}, "mlflow: seccompProfile"),
        ({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, "mlflow: runAsNonRoot"),
    ],
    ids=["host-network", "host-path", "no-seccomp", "root"],
)
def test_a_pod_that_does_not_is_found(change: dict[str, Any], fault: str) -> None:
    pod = named("Deployment", "mlflow")["spec"]["template"]["spec"]
    assert unrestricted({**pod, **change}) == [fault]


@pytest.mark.parametrize("name", ["ml-training", "mlflow"])
def test_a_namespace_enforces_the_restricted_standard(name: str) -> None:
    labels = named("Namespace", name)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_airflow_may_do_with_pods_what_it_needs_and_nothing_else() -> None:
    role = named("Role", "pipelines")
    allowed = {(group, resource): set(rule["verbs"]) for rule in role["rules"] for group in rule["apiGroups"]
               for resource in rule["resources"]}  # fmt: skip
    assert allowed == {
        ("", "pods"): {"create", "get", "list", "watch", "patch", "delete"},
        ("", "pods/log"): {"get"},
        ("", "events"): {"list", "watch"},
    }
    assert [{*rule} for rule in role["rules"]] == [{"apiGroups", "resources", "verbs"}] * 3
    binding = named("RoleBinding", "pipelines")
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("Role", "pipelines")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "pipelines", "namespace": "ml-training"}]


@pytest.mark.parametrize("name", ["trainer", "pipelines"])
def test_an_account_mounts_no_token_by_itself(name: str) -> None:
    assert named("ServiceAccount", name)["automountServiceAccountToken"] is False


def test_the_cost_rates_are_numbers_in_quotes() -> None:
    assert named("ConfigMap", "training-cost-rates")["data"] == {"gpu_hour": "0.25", "cpu_core_hour": "0.05"}


@pytest.mark.parametrize("manifest", manifests())
def test_no_manifest_holds_a_password(manifest: dict[str, Any]) -> None:
    assert manifest["kind"] != "Secret"
    for variable in variables(manifest):
        if re.search("PASSWORD|SECRET|KEY|TOKEN", variable["name"]):
            assert "secretKeyRef" in variable["valueFrom"], variable["name"]
    for password in re.findall(r"://[^/@\s]+:([^@\s]*)@", yaml.safe_dump(manifest)):
        assert re.fullmatch(r"\$\([A-Z_]+\)", password)


def test_the_address_of_a_database_names_its_driver() -> None:
    """SQLAlchemy 2.1 takes `postgresql://` for psycopg 3, which the image does not have."""
    [address] = [one["value"] for one in variables(named("Deployment", "mlflow")) if one["name"].endswith("_URI")]
    assert address.startswith("postgresql+psycopg2://")


def variables(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    if manifest["kind"] != "Deployment":
        return []
    return [one for container in manifest["spec"]["template"]["spec"]["containers"] for one in container.get("env", [])]


def test_the_secrets_that_pods_name_are_made_in_the_readme() -> None:
    text = (FOLDER / "README.md").read_text()
    wanted = {
        (one.values[0]["metadata"]["namespace"], reference["name"], reference["key"])
        for one in manifests()
        for variable in variables(one.values[0])
        if (reference := variable.get("valueFrom", {}).get("secretKeyRef"))
    }
    assert {name for _, name, _ in wanted} == {"postgres", "mlflow-s3"}
    for namespace, name, key in wanted:
        [command] = re.findall(rf"kubectl -n {namespace} create secret generic {name}((?:[^\n]*\\\n)*[^\n]*)", text)
        assert f"--from-literal={key}=" in command


@pytest.mark.parametrize("service", ["mlflow", "s3", "postgres"])
def test_a_service_finds_its_pods(service: str) -> None:
    found, deployment = named("Service", service), named("Deployment", service)
    assert found["metadata"]["namespace"] == deployment["metadata"]["namespace"]
    template = deployment["spec"]["template"]
    assert found["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    names = {port["name"] for container in template["spec"]["containers"] for port in container["ports"]}
    assert {port["targetPort"] for port in found["spec"]["ports"]} <= names


def test_production_finds_the_servers_of_a_trial(project: Path) -> None:
    production = yaml.safe_load((project / "include/environments/production.yaml").read_text())
    port = named("Service", "mlflow")["spec"]["ports"][0]["port"]
    assert production["mlflow"]["tracking_uri"] == f"http://mlflow.mlflow.svc.cluster.local:{port}"
    port = named("Service", "postgres")["spec"]["ports"][0]["port"]
    assert production["study_storage"] == f"postgresql://postgres.mlflow.svc.cluster.local:{port}/studies"
    bucket = production["artifact_store"].split("/")[2]
    assert f"/{bucket}" in yaml.safe_dump(named("Deployment", "s3"))
    assert f"--default-artifact-root=s3://{bucket}/mlflow" in yaml.safe_dump(named("Deployment", "mlflow"))
