"""Jobs and Services of the cluster for tests, as far as it simulates them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.fixtures import NAMESPACE, pod_of, wait_for
from tests.kubernetes.jobs import validate, verdict
from tests.kubernetes.status import ApiError

POLICY = {
    "rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [143]}},
    ]
}


def job_of(script: str, **spec: Any) -> dict[str, Any]:
    pod = pod_of(script)
    whole = {
        "completionMode": "Indexed", "completions": 2, "parallelism": 2, "podReplacementPolicy": "Failed",
        "podFailurePolicy": POLICY, "template": {"spec": pod["spec"]}, **spec,
    }  # fmt: skip
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": whole}


def test_what_belongs_to_a_job_goes_with_it(cluster: Cluster, core: Any) -> None:
    from kubernetes.client import BatchV1Api

    batch = BatchV1Api(core.api_client)
    made = batch.create_namespaced_job(NAMESPACE, job_of('echo "I am $JOB_COMPLETION_INDEX"'))
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": made.metadata.uid}
    service = {"metadata": {"name": "job", "ownerReferences": [owner]}, "spec": {"clusterIP": "None"}}
    core.create_namespaced_service(NAMESPACE, service)
    done = wait_for(lambda: batch.read_namespaced_job("job", NAMESPACE), lambda job: job.status.conditions)
    assert done.status.conditions[0].type == "Complete"
    assert sorted(pod.logs["base"].split()[-1] for pod in cluster.pods) == ["0", "1"]
    batch.delete_namespaced_job("job", NAMESPACE, propagation_policy="Background")
    wait_for(lambda: [*cluster.store.find("pods"), *cluster.store.find("services")], lambda left: not left)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"completionMode": "NonIndexed"}, 'spec.completionMode: Unsupported value: "NonIndexed"'),
        ({"parallelism": 1}, "spec.parallelism: Invalid value"),
        ({"completions": 10**60, "parallelism": 10**60}, "must be no more than 63 bytes"),
    ],
    ids=["not indexed", "one after the other", "name"],
)
def test_jobs_that_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as error:
        validate(job_of("true", **change))
    assert error.value.code == 422
    assert message in error.value.message


@pytest.mark.parametrize(
    ("code", "disrupted", "action"), [(3, False, "FailJob"), (137, True, "Ignore"), (143, False, "Count")]
)
def test_the_first_rule_that_matches_counts(code: int, disrupted: bool, action: str) -> None:
    status = {"name": "base", "state": {"terminated": {"exitCode": code}}}
    condition = {"type": "DisruptionTarget", "status": str(disrupted)}
    pod = {**pod_of("true"), "status": {"containerStatuses": [status], "conditions": [condition]}}
    pod["metadata"]["namespace"] = NAMESPACE
    assert verdict(job_of("true"), pod)[0] == action
