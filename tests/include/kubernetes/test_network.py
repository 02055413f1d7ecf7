"""Who reaches whom, by the NetworkPolicies of each overlay."""

from __future__ import annotations

import pytest

from include.operators.pods.job_manifest import JOB_NAME as JOB
from include.operators.pods.job_manifest import PORT
from include.operators.pods.manifest import MANAGED_BY
from tests.include.kubernetes.network import End, Pod, allows, matches
from tests.include.kubernetes.rendering import NAMES, WORKLOADS, find, of_kind, pod_specs, title

APP = "app.kubernetes.io/name"


def app(name: str, namespace: str = "mlflow") -> Pod:
    return Pod(namespace, {APP: name})


def airflow(component: str) -> Pod:
    """A pod of the chart."""
    return Pod("airflow", {"tier": "airflow", "component": component, "release": "airflow"})


STEP = Pod("ml-training", {**MANAGED_BY, "step": "train"})
OTHER = Pod("ml-training", {"run": "debug"})
STAGED = Pod("ml-staging", {**MANAGED_BY, "step": "train"})
RANK_0 = Pod("ml-training", {**MANAGED_BY, JOB: "train-cnn"})
RANK_1 = Pod("ml-training", {**MANAGED_BY, JOB: "train-cnn"})
MLFLOW, POSTGRES, S3, REDIS, PROXY = (app(name) for name in ("mlflow", "postgres", "s3", "redis", "oauth2-proxy"))
STAGED_MLFLOW = app("mlflow", "mlflow-staging")
DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
STRANGER = Pod("default", {})
PLUGIN = app("nvidia-device-plugin", "nvidia-device-plugin")
STORE, DATABASE, METADATA, PRIVATE, API = "52.216.0.1", "10.0.20.7", "169.254.169.254", "192.168.1.5", "172.20.0.9"

Flow = tuple[str, End, End, int, bool]
FLOWS: list[Flow] = [
    # what is opened
    ("development", STEP, DNS, 53, True),
    ("development", MLFLOW, DNS, 53, True),
    ("development", STEP, MLFLOW, 5000, True),
    ("development", STEP, POSTGRES, 5432, True),
    ("development", STEP, S3, 8333, True),
    ("development", MLFLOW, POSTGRES, 5432, True),
    ("development", MLFLOW, S3, 8333, True),
    ("production", STEP, STORE, 443, True),
    ("production", MLFLOW, STORE, 443, True),
    ("production", STEP, DATABASE, 5432, True),
    ("production", MLFLOW, DATABASE, 5432, True),
    ("staging", STAGED, STAGED_MLFLOW, 5000, True),
    ("staging", STAGED, DATABASE, 5432, True),
    ("staging", STAGED_MLFLOW, DATABASE, 5432, True),
    ("production", RANK_0, RANK_1, PORT, True),
    ("production", RANK_1, RANK_0, 41000, True),
    ("production", RANK_0, MLFLOW, 5000, True),
    ("production", airflow("scheduler"), airflow("api-server"), 8080, True),
    ("production", airflow("api-server"), airflow("scheduler"), 8793, True),
    ("production", airflow("api-server"), airflow("triggerer"), 8794, True),
    ("production", airflow("scheduler"), API, 443, True),
    ("production", airflow("triggerer"), API, 6443, True),
    ("production", airflow("dag-processor"), DATABASE, 5432, True),
    ("production", airflow("api-server"), STORE, 443, True),
    ("production", airflow("scheduler"), STORE, 587, True),
    ("everything", Pod("ingress", {}), PROXY, 4180, True),
    ("production", Pod("ingress", {}), airflow("api-server"), 8080, True),
    ("everything", PROXY, MLFLOW, 5000, True),
    ("everything", PROXY, STORE, 443, True),
    # what is not
    ("base", STEP, POSTGRES, 22, False),
    ("development", OTHER, MLFLOW, 5000, False),
    ("development", STRANGER, MLFLOW, 5000, False),
    ("development", STRANGER, POSTGRES, 5432, False),
    ("development", STRANGER, STEP, 8080, False),
    ("development", MLFLOW, STEP, 8080, False),
    ("development", STEP, MLFLOW, 22, False),
    ("development", STEP, STEP, PORT, False),
    ("development", POSTGRES, STORE, 443, False),
    ("development", S3, STORE, 443, False),
    ("development", S3, POSTGRES, 5432, False),
    ("production", RANK_0, RANK_1, 22, False),
    ("production", RANK_0, STEP, PORT, False),
    ("production", STEP, RANK_0, PORT, False),
    ("production", STRANGER, RANK_0, PORT, False),
    ("production", STEP, STORE, 80, False),
    ("production", STEP, METADATA, 443, False),
    ("production", STEP, METADATA, 80, False),
    ("production", STEP, PRIVATE, 443, False),
    ("production", STEP, API, 443, False),
    ("production", STEP, API, 6443, False),
    ("production", MLFLOW, API, 443, False),
    ("production", STEP, STAGED_MLFLOW, 5000, False),
    ("staging", STAGED, MLFLOW, 5000, False),
    ("staging", STEP, STAGED_MLFLOW, 5000, False),
    ("production", airflow("scheduler"), MLFLOW, 5000, False),
    ("production", airflow("scheduler"), STEP, 8080, False),
    ("production", airflow("dag-processor"), API, 6443, False),
    ("production", airflow("api-server"), API, 6443, False),
    ("production", airflow("api-server"), airflow("dag-processor"), 22, False),
    ("production", STRANGER, airflow("api-server"), 8080, False),
    ("production", STEP, airflow("api-server"), 8080, False),
    ("production", PLUGIN, STORE, 443, False),
    ("production", PLUGIN, DNS, 53, False),
    ("everything", Pod("ingress", {}), MLFLOW, 5000, False),
    ("production", Pod("ingress", {}), airflow("scheduler"), 8793, False),
    ("everything", STRANGER, PROXY, 4180, False),
    ("everything", PROXY, DATABASE, 5432, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "source", "target", "port", "through"), FLOWS, ids=[f"{f[0]}-{n}-{f[4]}" for n, f in enumerate(FLOWS)]
)
def test_a_flow(name: str, source: End, target: End, port: int, through: bool) -> None:
    assert allows(of_kind(name, "NetworkPolicy"), source, target, port) is through


def test_names_are_looked_up_by_udp_as_well() -> None:
    policies = of_kind("base", "NetworkPolicy")
    assert allows(policies, STEP, DNS, 53, "UDP")
    assert not allows(policies, STEP, DNS, 5353, "UDP")
    assert not allows(policies, STEP, MLFLOW, 5000, "UDP")


@pytest.mark.parametrize("name", NAMES)
def test_each_namespace_denies_what_is_not_opened(name: str) -> None:
    for namespace in of_kind(name, "Namespace"):
        spec = find(name, "NetworkPolicy", "deny-all", namespace["metadata"]["name"])["spec"]
        assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_in_mlflows_namespace_is_about_a_pod_that_there_is_or_may_be(name: str) -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind(name, *WORKLOADS)]
    for policy in of_kind(name, "NetworkPolicy"):
        if policy["metadata"]["namespace"].startswith("mlflow"):
            assert any(matches(policy["spec"]["podSelector"], one) for one in labels), title(policy)


def test_ports_are_those_that_the_servers_listen_on() -> None:
    """A policy with the number of another port would open nothing, or too much."""
    listens = {
        title.split("/")[1]: {port["containerPort"] for container in spec["containers"] for port in container["ports"]}
        for title, spec in (*pod_specs("development").items(), *pod_specs("everything").items())
        if not title.startswith("DaemonSet")
    }
    assert listens == {"mlflow": {5000}, "postgres": {5432}, "s3": {8333}, "oauth2-proxy": {4180}}
    opened = {(target.labels[APP], port) for _, _, target, port, through in FLOWS
              if through and isinstance(target, Pod) and target.labels.get(APP) in listens}  # fmt: skip
    assert opened == {(name, port) for name, ports in listens.items() for port in ports}


@pytest.mark.parametrize(
    ("selector", "labels", "taken"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {"a": "2"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
    ],
)
def test_selectors(selector: dict[str, object], labels: dict[str, str], taken: bool) -> None:
    assert matches(selector, labels) is taken
