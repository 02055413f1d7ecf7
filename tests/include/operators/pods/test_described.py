"""What a step's pod looks like, held against the schema that Kubernetes publishes."""

from __future__ import annotations

import re
from typing import Any

import kubernetes_validate
import pytest
from airflow.sdk.exceptions import AirflowFailException
from kubernetes.client import ApiClient, Configuration

from tests.conftest import changed
from tests.include.operators.pods.conftest import Describe, Operator, raised
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.run.flow import PER_ALGORITHM, STEPS
from trainer.run.memory import note_out_of_memory

VERSION = "1.34"
EVERYTHING: dict[str, Any] = {
    "cpu": 4, "memory": "16Gi", "gpu": 1, "ephemeral_storage": "20Gi", "shared_memory": "2Gi",
    "node_selector": {"pool": "ml"}, "tolerations": [{"key": "ml", "operator": "Exists", "effect": "NoExecute", "seconds": 60}],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}}},
    "priority_class": "training", "deadline_minutes": 90,
}  # fmt: skip


def manifest(operator: Any) -> dict[str, Any]:
    """The pod as it would be sent."""
    client = ApiClient(configuration=Configuration())
    described: dict[str, Any] = client.sanitize_for_serialization(operator.build_pod_request_obj(dry_run=True))
    return described


def variables(pod: dict[str, Any], container: str = "base") -> dict[str, Any]:
    all_containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    found = next(one for one in all_containers if one["name"] == container)
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in found["env"]}


SECRETS = {
    "GIT_PASSWORD": {"name": "git", "key": "token"},
    "PGUSER": {"name": "studies", "key": "username"},
    "PGPASSWORD": {"name": "studies", "key": "password"},
    "REDIS_PASSWORD": {"name": "features", "key": "password"},
    "AWS_SECRET_ACCESS_KEY": {"name": "trainer-s3", "key": "secret"},
}
"""What an environment has from Secrets: logins of some steps, and one of all."""


@pytest.mark.parametrize("step", [step for step in STEPS if step != "decide"])
def test_every_steps_pod_fits_the_schema_and_runs_the_command_of_every_runtime(step: str, operator: Operator) -> None:
    algorithm = "logistic" if step in PER_ALGORITHM else ""
    made = operator(step, algorithm)
    pod = manifest(made)
    kubernetes_validate.validate(pod, VERSION, strict=True)
    container = pod["spec"]["containers"][0]
    whose = ["--algorithm", algorithm] if algorithm else []
    assert container["command"] + container["args"] == [
        "python", "-m", "trainer", "step", step, "--run", made.run, *whose,
    ]  # fmt: skip


def test_everything_that_a_step_can_ask_for_is_in_the_pod(operator: Operator, small_churn: Pipeline) -> None:
    pod = manifest(operator("train", "logistic", of=changed(small_churn, resources={"train": EVERYTHING})))
    kubernetes_validate.validate(pod, VERSION, strict=True)
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    asked = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "20Gi", "nvidia.com/gpu": "1"}
    assert container["resources"] == {"requests": asked, "limits": asked}
    assert spec["nodeSelector"] == {"nvidia.com/gpu.present": "true", "pool": "ml"}
    assert {one["key"]: one["effect"] for one in spec["tolerations"]} == {
        "nvidia.com/gpu": "NoSchedule",
        "ml": "NoExecute",
    }
    assert spec["affinity"] == EVERYTHING["affinity"]
    assert (spec["priorityClassName"], spec["activeDeadlineSeconds"], spec["restartPolicy"]) == (
        "training",
        5400,
        "Never",
    )
    assert {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}} in spec["volumes"]
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in container["volumeMounts"]
    told = variables(pod)
    assert (told["TRAINER_CORES"], told["TRAINER_GPUS"], told["OMP_NUM_THREADS"]) == ("4", "1", "4")


@pytest.mark.parametrize("gpus", [0, 4])
def test_the_gpus_of_a_run_are_those_of_its_pod(gpus: int, operator: Operator, small_churn: Pipeline) -> None:
    made = operator(
        "train", "logistic", of=changed(small_churn, resources={"train": EVERYTHING}), gpus="{{ params.gpu }}"
    )
    made.render_template_fields({"params": {"gpu": gpus}})
    pod = manifest(made)
    kubernetes_validate.validate(pod, VERSION, strict=True)
    assert made.asked["gpu"] == variables(pod)["TRAINER_GPUS"] == str(gpus)
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert limits.get("nvidia.com/gpu") == ("4" if gpus else None)
    assert ("nvidia.com/gpu.present" in pod["spec"]["nodeSelector"]) == bool(gpus)


@pytest.mark.parametrize(
    ("resources", "size"), [({"gpu": 1}, None), ({"gpu": 2}, "1Gi"), ({"gpu": 2, "shared_memory": "3Gi"}, "3Gi")]
)
def test_several_gpus_get_shared_memory(
    resources: dict[str, Any], size: str | None, operator: Operator, small_churn: Pipeline
) -> None:
    pod = manifest(operator("train", "logistic", of=changed(small_churn, resources={"train": resources})))
    assert [one["emptyDir"].get("sizeLimit") for one in pod["spec"]["volumes"][1:]] == ([size] if size else [])


def test_gpus_that_a_cluster_does_not_have_end_the_task(operator: Operator, cluster_environment: Describe) -> None:
    cluster_environment(gpu=None)
    made = operator("train", "logistic", gpus="2")
    assert type(error := raised(made)) is AirflowFailException
    assert "ConfigurationError: 2 GPUs are asked for, and the environment has none; allowed: 0" in str(error)


def test_the_pod_is_restricted(operator: Operator) -> None:
    spec = manifest(operator("ingest", code_path="."))["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["serviceAccountName"] == "trainer"
    for container in [*spec["initContainers"], *spec["containers"]]:
        assert container["securityContext"] == {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    assert [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]] == ["/tmp", "/code"]
    assert all(set(volume) == {"name", "emptyDir"} for volume in spec["volumes"])


def test_secrets_are_references_and_only_the_one_who_clones_has_the_repositorys_login(
    operator: Operator, cluster_environment: Describe
) -> None:
    cluster_environment(secrets=SECRETS)
    pod = manifest(operator("ingest", code_path="src"))
    checkout, base = variables(pod, "checkout"), variables(pod)
    assert base["AWS_SECRET_ACCESS_KEY"] == {"secretKeyRef": {"name": "trainer-s3", "key": "secret"}}
    assert {*checkout} & {*SECRETS} == {"GIT_PASSWORD", "AWS_SECRET_ACCESS_KEY"}
    assert checkout["GIT_PASSWORD"] == {"secretKeyRef": {"name": "git", "key": "token"}}
    assert "GIT_PASSWORD" not in base
    assert base["TRAINER_GPU_HOUR_RATE"] == {"configMapKeyRef": {"name": "training-cost-rates", "key": "gpu_hour"}}
    assert (base["TRAINER_CODE"], base["PYTHONPATH"], checkout.get("PYTHONPATH")) == ("/code", "/code/src", None)
    assert pod["spec"]["initContainers"][0]["args"][:5] == ["-m", "trainer", "checkout", "--step", "ingest"]


@pytest.mark.parametrize(
    ("step", "algorithm", "own"),
    [
        ("start", "", []), ("validate", "", []), ("tune", "logistic", ["PGUSER", "PGPASSWORD"]), ("train", "logistic", []),
        ("promote", "", []), ("publish_features", "", ["REDIS_PASSWORD"]),
    ],
)  # fmt: skip
def test_a_step_gets_the_credentials_that_it_needs_and_no_other(
    step: str, algorithm: str, own: list[str], operator: Operator, cluster_environment: Describe
) -> None:
    cluster_environment(secrets=SECRETS)
    given = variables(manifest(operator(step, algorithm)))
    assert {*given} & {*SECRETS} == {*own, "AWS_SECRET_ACCESS_KEY"}


@pytest.mark.parametrize(("step", "expected"), [("start", True), ("ingest", True), ("validate", False)])
def test_who_reads_a_repository_with_data_has_its_login(
    step: str, expected: bool, operator: Operator, cluster_environment: Describe, small_churn: Pipeline
) -> None:
    cluster_environment(secrets={"GIT_PASSWORD": {"name": "git", "key": "token"}})
    source = {"KIND": "dvc", "repository": "https://git.example/data.git", "path": "rows.csv"}
    pod = manifest(operator(step, of=changed(small_churn, source=source)))
    assert ("GIT_PASSWORD" in variables(pod)) == expected


def test_what_kubernetes_would_replace_is_taken_literally(operator: Operator) -> None:
    pod = manifest(
        operator("start", parameters='{"note": "$(PGPASSWORD) $$"}', pipeline="owner: $(PGPASSWORD) {{ x }}")
    )
    assert pod["spec"]["containers"][0]["args"][-1] == '{"note": "$$(PGPASSWORD) $$$$"}'
    assert variables(pod)["TRAINER_PIPELINE"] == "owner: $$(PGPASSWORD) {{ x }}"


def test_labels_say_whose_pod_it_is(operator: Operator, small_churn: Pipeline) -> None:
    pod = manifest(operator("tune", "logistic", of=changed(small_churn, owner="Müller & Søn, team 7 " + "x" * 80)))
    labels = pod["metadata"]["labels"]
    assert {name: labels[name] for name in ("pipeline", "step", "run", "algorithm", "app.kubernetes.io/managed-by")} == {
        "pipeline": "churn", "step": "tune", "run": "manual__1-a1b2c3", "algorithm": "logistic",
        "app.kubernetes.io/managed-by": "training-pipelines",
    }  # fmt: skip
    assert len(labels["team"]) <= 63
    assert labels["team"].isascii()
    assert pod["metadata"]["name"].startswith("churn-tune-logistic-")


@pytest.mark.parametrize("owner", ["команда", "日本 team", "-x-"])
def test_a_team_of_any_script_makes_a_label(owner: str, operator: Operator, small_churn: Pipeline) -> None:
    label = manifest(operator("ingest", of=changed(small_churn, owner=owner)))["metadata"]["labels"]["team"]
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", label)


def test_memory_that_ran_out_gives_the_next_pod_more(operator: Operator, run: RunFolder) -> None:
    note_out_of_memory(run.at("train", "logistic"), "4Gi", 2, "64Gi")
    container = manifest(operator("train", "logistic"))["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == "8192Mi"
    assert container["resources"]["requests"]["memory"] == "8192Mi"
    assert manifest(operator("tune", "logistic"))["spec"]["containers"][0]["resources"]["limits"]["memory"] == "4Gi"


def test_a_sources_connection_is_for_the_steps_that_need_it(operator: Operator, cluster_environment: Describe) -> None:
    names = ("TRAINER_CONNECTION_WAREHOUSE", "TRAINER_CONNECTION_LAKE")
    cluster_environment(secrets={name: {"name": "sources", "key": name[-4:].lower()} for name in names})
    pod = manifest(operator("ingest", connection="warehouse", code_path="src"))
    given = {name: value for name, value in variables(pod).items() if name.startswith("TRAINER_CONNECTION_")}
    assert given == {"TRAINER_CONNECTION_WAREHOUSE": {"secretKeyRef": {"name": "sources", "key": "ouse"}}}
    for other in (variables(pod, "checkout"), variables(manifest(operator("validate")))):
        assert [name for name in other if name.startswith("TRAINER_CONNECTION_")] == []
