"""No account of any overlay has rights beyond those of the role `pipelines`."""

from __future__ import annotations

import pytest

from tests.include.kubernetes.rendering import NAMES, of_kind


@pytest.mark.parametrize("name", NAMES)
def test_no_account_has_other_rights(name: str) -> None:
    assert of_kind(name, "ClusterRole", "ClusterRoleBinding") == []
    [role] = of_kind(name, "Role")
    verbs = {verb for rule in role["rules"] for verb in rule["verbs"]}
    resources = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert "*" not in verbs | resources
    assert resources == {"pods", "pods/log", "events", "jobs", "services"}
    namespace = role["metadata"]["namespace"]
    subjects = {
        (subject["kind"], subject["namespace"], subject["name"])
        for binding in of_kind(name, "RoleBinding")
        for subject in binding["subjects"]
    }
    outside = {("ServiceAccount", namespace, "pipelines")}
    inside = {("ServiceAccount", "airflow", f"airflow-{component}") for component in ("scheduler", "triggerer")}
    assert subjects == outside | (inside if name in {"production", "everything"} else set())
    for binding in of_kind(name, "RoleBinding"):
        assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pipelines"}
        assert binding["metadata"]["namespace"] == namespace
