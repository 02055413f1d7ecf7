"""What Airflow may do in the cluster: all that its tasks ask of it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.operators.pods.sweeping import sweep_ended_pods
from tests.include.kubernetes.rendering import find
from tests.include.operators.pods.conftest import IMAGE, Operator, Says, carried_out, context, raised
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.fixtures import api_of
from tests.kubernetes.spec import Image, Namespace, Spec
from trainer.run import RunFolder

Rights = dict[str, tuple[str, ...]]


def rights() -> Rights:
    """Return by resource the verbs of the role."""
    role = find("base", "Role", "pipelines", "ml-training")
    assert all({*rule} == {"apiGroups", "resources", "verbs"} and rule["apiGroups"] == [""] for rule in role["rules"])
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
    says: Says,
    mode: bool,
    quick_retries: None,
) -> None:
    """A step that succeeds, one that fails, one whose pod is found again, and the sweep of failed pods."""
    done = carried_out(lambda: operator("decide"), context("decide"))
    assert done["outcome"] == "promote"
    says("exit 3")
    if not mode:
        raised(operator("ingest"))
    with api_of(granted) as client:
        sweep_ended_pods(client, "ml-training", keep_hours=0)
    allowed = {(resource, verb) for resource, verbs in rights().items() for verb in verbs}
    assert asked(granted) <= allowed
    if not mode:
        assert allowed - asked(granted) <= {("pods", "watch"), ("events", "watch")}
