"""What a refusal of the cluster's API is taken to mean: the messages are those that a real cluster gives."""

from __future__ import annotations

import pytest

from include.operators.pods.refusals import refused


@pytest.mark.parametrize(
    ("status", "message", "error", "then"),
    [
        (403, 'pods "x" is forbidden: exceeded quota: compute, requested: cpu=4, used: cpu=8, limited: cpu=8', "QuotaExceeded", "retry"),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "PodForbidden", "final"),
        (403, 'admission webhook "policy" denied the request: no', "PodForbidden", "final"),
        (403, 'pods is forbidden: User "a" cannot create resource "pods" in API group ""', "NotAuthorized", "final"),
        (403, 'pods is forbidden: User "a" cannot list resource "pods" in API group ""', "NotAuthorized", "final"),
        (403, 'pods "x" is forbidden: User "a" cannot get resource "pods" in API group ""', "NotAuthorized", "final"),
        (401, "Unauthorized", "NotAuthorized", "final"),
        (404, 'namespaces "ml" not found', "PodConfigurationError", "final"),
        (422, 'Pod "x" is invalid: spec.priorityClassName', "PodConfigurationError", "final"),
        (500, "etcdserver: request timed out", "ClusterUnavailable", "retry"),
        (409, 'Operation cannot be fulfilled on resourcequotas "compute"', "ClusterBusy", "retry"),
        (429, "too many requests", "ClusterUnavailable", "retry"),
        (None, "MaxRetryError: refused", "ClusterUnavailable", "retry"),
    ],
)  # fmt: skip
def test_refusals_are_told_apart(status: int | None, message: str, error: str, then: str) -> None:
    ending = refused(status, message)
    assert (ending.error, ending.then) == (error, then)
    assert message in ending.message
