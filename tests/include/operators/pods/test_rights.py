"""What Airflow may do in the cluster: all that its tasks ask of it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.operators.pods.sweeping import sweep_ended_pods
from tests.include.kubernetes.rendering import find
from tests.include.operators.pods.conftest import (
    IMAGE,
    Describe,
    JobStep,
    Operator,
    Says,
    carried_out,
    context,
    raised,
    wait_until,
)
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.fixtures import api_of
from tests.kubernetes.spec import Image, Namespace, Spec
from trainer.run import RunFolder

Rights = dict[str, tuple[str, ...]]


def rights() -> Rights:
    """Return by resource the verbs of the role."""
    role = find("base", "Role", "pipelines", "ml-training")
    groups = {"jobs": ["batch"]}
    for rule in role["rules"]:
        assert {*rule} == {"apiGroups", "resources", "verbs"}
        assert [rule["apiGroups"]] == [groups.get(resource, [""]) for resource in rule["resources"]]
    return {resource: tuple(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}


@pytest.fixture
def granted(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster whose client has the role of the manifests."""
    namespace = Namespace(
        "ml-training",
        secrets={
            "trainer-s3": {"access_key_id": "test-key", "secret_access_key": "test-secret"},
            "trainer-studies": {"username": "studies", "password": "studies-secret"},
        },
        config_maps={"training-cost-rates": find("base", "ConfigMap", "training-cost-rates")["data"]},
        service_accounts=("default", "trainer"),
        allowed=rights(),
    )
    with Cluster(Spec(namespaces=(namespace,), images={IMAGE: Image()})) as running:
        monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", running.connection_json())
        yield running


def asked(cluster: Cluster) -> set[tuple[str, str]]:
    return {(one.resource, one.verb) for one in cluster.requests if one.resource}


def test_the_role_is_what_tasks_use(
    granted: Cluster,
    evaluated: RunFolder,
    operator: Operator,
    job_step: JobStep,
    says: Says,
    mode: bool,
    quick_retries: None,
    cluster_environment: Describe,
) -> None:
    """A step that succeeds, one that fails, with one pod and with two, and the sweep of failed pods."""
    done = carried_out(lambda: operator("decide"), context("decide"))
    assert done["outcome"] == "promote"
    says("exit 3")
    if not mode:
        raised(operator("ingest"))
        cluster_environment(keep_failed_hours=0)
        raised(job_step("ingest"))
        wait_until(lambda: not granted.store.find("jobs"))
    with api_of(granted) as client:
        sweep_ended_pods(client, "ml-training", keep_hours=0)
    allowed = {(resource, verb) for resource, verbs in rights().items() for verb in verbs}
    assert asked(granted) <= allowed
    if not mode:
        assert allowed - asked(granted) <= {("pods", "watch"), ("events", "watch")}
