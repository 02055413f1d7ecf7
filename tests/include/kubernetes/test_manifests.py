"""The manifests of each overlay: valid, restricted, without a secret, and in agreement with environments and images."""

from __future__ import annotations

import re

import kubernetes_validate
import pytest
import yaml

from tests.include.kubernetes.rendering import (
    FOLDER,
    KUSTOMIZATIONS,
    NAMES,
    WORKLOADS,
    Object,
    containers,
    find,
    of_kind,
    pod_specs,
    rendered,
    settings,
    title,
)
from tests.kubernetes.security import violations
from tests.world import PROJECT

VERSIONS = ("1.34", "1.36", "1.37")
"""The oldest that is still supported, the one of `make cluster-up`, and the newest."""
COMPOSE: Object = yaml.safe_load((PROJECT / "docker-compose.yaml").read_text())["services"]
ENVIRONMENTS = {"development": "trial", "staging": "staging", "production": "production"}
"""The environment that each overlay is for."""


def environment(name: str) -> Object:
    folder = PROJECT / "include" / "environments"
    default, own = (yaml.safe_load((folder / f"{one}.yaml").read_text()) for one in ("default", ENVIRONMENTS[name]))
    return {**default, **own, "kubernetes": {**default["kubernetes"], **own["kubernetes"]}}


def secrets_of(spec: Object) -> set[tuple[str, str]]:
    """Return name and key of each Secret that a pod takes a variable from."""
    return {
        (reference["name"], reference["key"])
        for container in containers(spec)
        for variable in container.get("env", [])
        if (reference := variable.get("valueFrom", {}).get("secretKeyRef"))
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS)
def test_each_object_meets_the_published_schema(name: str, version: str) -> None:
    for one in rendered(name):
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("change", [{"spce": {}}, {"spec": {"replicas": "one"}}], ids=["unknown key", "wrong type"])
def test_the_schema_refuses_what_is_wrong(change: Object) -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**find("base", "Deployment", "mlflow"), **change}, VERSIONS[0], strict=True)


def test_each_kustomization_is_looked_at() -> None:
    found = {file.parent for file in FOLDER.rglob("kustomization.yaml")}
    assert {folder.name for folder in found if folder.parent.name == "overlays"} == {*ENVIRONMENTS}
    files = {file for file in FOLDER.rglob("*.yaml") if file.name not in {"kustomization.yaml", "values.yaml"}}
    listed = set()
    for folder in [*found, KUSTOMIZATIONS["everything"]]:
        asked = yaml.safe_load((folder / "kustomization.yaml").read_text())
        parts = [
            *asked.get("resources", []),
            *asked.get("components", []),
            *(p.get("path", ".") for p in asked.get("patches", [])),
        ]
        listed |= {(folder / part).resolve() for part in parts}
    assert files <= listed
    assert {folder for folder in found if folder.parts[-2] in {"components", "external-database"}} <= listed


@pytest.mark.parametrize("overlay", ENVIRONMENTS)
def test_a_component_that_a_comment_offers_exists(overlay: str) -> None:
    folder = KUSTOMIZATIONS[overlay]
    for offered in re.findall(r"^ *# - (\S+)", (folder / "kustomization.yaml").read_text(), re.MULTILINE):
        assert (folder / offered / "kustomization.yaml").exists(), offered


@pytest.mark.parametrize("name", NAMES)
def test_pods_meet_the_standard_that_their_namespace_enforces(name: str) -> None:
    levels = {
        one["metadata"]["name"]: one["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for one in of_kind(name, "Namespace")
    }
    for one in of_kind(name, *WORKLOADS):
        level = levels[one["metadata"]["namespace"]]
        if level != "privileged":
            assert violations(one["spec"]["template"]["spec"], level) == [], title(one)
    privileged = {namespace for namespace, level in levels.items() if level != "restricted"}
    assert privileged == ({"nvidia-device-plugin"} if name != "staging" else set())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_the_device_plugin_runs_where_pods_are_privileged(name: str) -> None:
    found = [title(one) for one in of_kind(name, *WORKLOADS) if one["metadata"]["namespace"] == "nvidia-device-plugin"]
    assert found == ["DaemonSet nvidia-device-plugin/nvidia-device-plugin"] * (name != "staging")
    for plugin in found:
        spec = pod_specs(name)[plugin]
        assert violations(spec, "baseline") == ['hostPath volumes (volume "device-plugins")']
        gpu = environment("production")["kubernetes"]["gpu"]
        assert (spec["nodeSelector"], spec["tolerations"]) == (gpu["node_selector"], gpu["tolerations"])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"hostNetwork": True}, "host namespaces"),
        ({"volumes": [{"name": "disk", "hostPath": {"path": "/"}}]}, "restricted volume types"),
        ({"securityContext": {"runAsNonRoot": True}}, "seccompProfile"),
        ({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, "runAsNonRoot"),
    ],
    ids=["host-network", "host-path", "no-seccomp", "root"],
)
def test_a_pod_that_does_not_is_found(change: Object, fault: str) -> None:
    assert fault in " ".join(violations({**pod_specs("base")["Deployment mlflow/mlflow"], **change}, "restricted"))


@pytest.mark.parametrize("name", NAMES)
def test_pods_are_hardened_beyond_the_standard(name: str) -> None:
    for called, spec in pod_specs(name).items():
        assert spec["automountServiceAccountToken"] is False, called
        assert spec["enableServiceLinks"] is False, called
        for container in containers(spec):
            assert {"cpu", "memory"} <= {*container["resources"]["requests"]}, called
            assert "memory" in container["resources"]["limits"], called
            if not called.startswith("DaemonSet"):
                assert container["securityContext"]["readOnlyRootFilesystem"] is True, called
        if not called.startswith("DaemonSet"):
            assert all("readinessProbe" in container for container in spec["containers"]), called


@pytest.mark.parametrize("name", NAMES)
def test_images_have_a_tag_of_their_own(name: str) -> None:
    for called, spec in pod_specs(name).items():
        for container in containers(spec):
            if name == "base" and container["image"] == "mlflow-server":
                continue  # an overlay names it
            assert re.search(r":v?\d+\.\d+[.\d]*(-\w+)?$", container["image"]), f"{called}: {container['image']}"


@pytest.mark.parametrize("name", NAMES)
def test_no_object_holds_a_secret(name: str) -> None:
    assert of_kind(name, "Secret") == []
    for called, spec in pod_specs(name).items():
        for container in containers(spec):
            for variable in container.get("env", []):
                if re.search("PASSWORD|SECRET|KEY|TOKEN", variable["name"]):
                    assert "secretKeyRef" in variable["valueFrom"], f"{called}: {variable['name']}"
    for one in of_kind(name, "ConfigMap"):
        assert not [key for key in one["data"] if re.search("PASSWORD|SECRET|_KEY|TOKEN", key)], title(one)
        if "sql" not in "".join(one["data"]):
            assert not re.search(r"://[^/@\s]*:[^@\s]*@", yaml.safe_dump(one)), title(one)


@pytest.mark.parametrize("name", NAMES)
def test_names_within_a_namespace_lead_somewhere(name: str) -> None:
    """ConfigMaps, accounts, Services, and the ports by their names."""
    there = {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in rendered(name)}
    for one in of_kind(name, *WORKLOADS):
        namespace, spec = one["metadata"]["namespace"], one["spec"]["template"]["spec"]
        maps = [
            source["configMapRef"]["name"] for container in containers(spec) for source in container.get("envFrom", [])
        ]
        maps += [volume["configMap"]["name"] for volume in spec.get("volumes", []) if "configMap" in volume]
        assert {("ConfigMap", namespace, called) for called in maps} <= there, title(one)
        account = spec.get("serviceAccountName", "default")
        assert account == "default" or ("ServiceAccount", namespace, account) in there, title(one)
        volumes = {
            volume["name"]
            for volume in [*spec.get("volumes", []), *map(metadata, one["spec"].get("volumeClaimTemplates", []))]
        }
        mounted = {mount["name"] for container in containers(spec) for mount in container.get("volumeMounts", [])}
        assert mounted == volumes, title(one)
    for service in of_kind(name, "Service"):
        if service["spec"].get("type") == "ExternalName":
            continue
        [target] = [one for one in of_kind(name, *WORKLOADS) if selects(service["spec"]["selector"], one)]
        assert target["metadata"]["namespace"] == service["metadata"]["namespace"]
        ports = {
            port["name"]
            for container in target["spec"]["template"]["spec"]["containers"]
            for port in container["ports"]
        }
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for budget in of_kind(name, "PodDisruptionBudget"):
        [target] = [one for one in of_kind(name, *WORKLOADS) if selects(budget["spec"]["selector"]["matchLabels"], one)]
        lost = budget["spec"].get("maxUnavailable") or target["spec"]["replicas"] - budget["spec"]["minAvailable"]
        assert lost >= 1, "a node could never be drained"


def metadata(one: Object) -> Object:
    found: Object = one["metadata"]
    return found


def selects(labels: dict[str, str], workload: Object) -> bool:
    own: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels.items() <= own.items()


@pytest.mark.parametrize("name", [*ENVIRONMENTS])
def test_an_environment_finds_its_cluster(name: str) -> None:
    """Its namespace, account, cost rates, servers and bucket."""
    asked = environment(name)
    cluster = asked["kubernetes"]
    namespace = cluster["namespace"]
    find(name, "ServiceAccount", cluster["service_account"], namespace)
    rates = find(name, "ConfigMap", cluster["rates"]["name"], namespace)["data"]
    assert rates == {"gpu_hour": "0.25", "cpu_core_hour": "0.05"}
    assert {rate: float(value) for rate, value in rates.items()} == asked["rates"]
    [mlflow] = of_kind(name, "Deployment")
    servers = mlflow["metadata"]["namespace"]
    port = find(name, "Service", "mlflow")["spec"]["ports"][0]["port"]
    assert asked["mlflow"]["tracking_uri"] == f"http://mlflow.{servers}.svc.cluster.local:{port}"
    assert asked["study_storage"] == f"postgresql://postgres.{servers}.svc.cluster.local:5432/studies"
    find(name, "Service", "postgres", servers)
    bucket = asked["artifact_store"].split("/")[2]
    assert settings(name, servers)["MLFLOW_DEFAULT_ARTIFACT_ROOT"] == f"s3://{bucket}/mlflow"
    assert asked["data_store"] == f"s3://{bucket}/data"


def test_the_trial_finds_its_object_store() -> None:
    port = find("development", "Service", "s3")["spec"]["ports"][0]["port"]
    variables = environment("development")["kubernetes"]["variables"]
    assert variables["AWS_ENDPOINT_URL"] == f"http://s3.mlflow.svc.cluster.local:{port}"
    assert settings("development")["AWS_ENDPOINT_URL"] == f"http://s3:{port}"
    assert settings("development")["AWS_DEFAULT_REGION"] == variables["AWS_DEFAULT_REGION"]


@pytest.mark.parametrize("name", ["staging", "production"])
def test_a_managed_database_is_asked_by_tls(name: str) -> None:
    servers = find(name, "Deployment", "mlflow")["metadata"]["namespace"]
    assert settings(name, servers)["PGSSLMODE"] == "require"
    assert environment(name)["kubernetes"]["variables"]["PGSSLMODE"] == "require"


def test_mlflow_is_started_as_in_the_compose_file() -> None:
    [server] = pod_specs("base")["Deployment mlflow/mlflow"]["containers"]
    [migration] = pod_specs("base")["Deployment mlflow/mlflow"]["initContainers"]
    options = {
        option
        for option in COMPOSE["mlflow"]["command"]
        if "allowed-hosts" not in option and "artifact-root" not in option
    }
    assert options < {*server["args"]}
    assert {"--workers=2", "--uvicorn-opts=--timeout-keep-alive 120", "--no-serve-artifacts"} <= options
    assert server["args"][:2] == ["mlflow", "server"]
    assert migration["args"][:3] == COMPOSE["mlflow-migrate"]["command"][:3] == ["mlflow", "db", "upgrade"]
    assert server["resources"] == {
        "requests": {"cpu": "250m", "memory": "1Gi"},
        "limits": {"cpu": "2", "memory": "2Gi"},
    }
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= {*server}
    port = server["ports"][0]["containerPort"]
    assert f"--port={port}" in server["args"]
    assert f"EXPOSE {port}" in (PROJECT / "tasks_image" / "Dockerfile").read_text()


def test_pods_run_as_the_user_of_their_image() -> None:
    user = pod_specs("base")["Deployment mlflow/mlflow"]["securityContext"]["runAsUser"]
    assert f"useradd --uid {user} --gid {user}" in (PROJECT / "tasks_image" / "Dockerfile").read_text()
    for called in ("postgres", "s3"):
        context = pod_specs("development")[f"StatefulSet mlflow/{called}"]["securityContext"]
        assert COMPOSE[called]["user"] == f"{context['runAsUser']}:{context['runAsGroup']}"


@pytest.mark.parametrize("called", ["postgres", "s3"])
def test_the_trials_servers_are_those_of_the_compose_file(called: str) -> None:
    [container] = pod_specs("development")[f"StatefulSet mlflow/{called}"]["containers"]
    assert container["image"] == COMPOSE[called]["image"]
    if called == "s3":
        assert container["args"] == COMPOSE[called]["command"].split()


def test_the_databases_of_the_trial_are_those_that_are_asked_for() -> None:
    statements = (FOLDER / "overlays/development/databases.sql").read_text()
    assert re.findall(r"ARRAY\[(.*)\]", statements) == ["'mlflow', 'studies'"] * 2  # roles, and databases
    [server] = pod_specs("development")["StatefulSet mlflow/postgres"]["containers"]
    given = {variable["name"] for variable in server["env"]}
    assert {*re.findall(r"\\getenv \w+ (\w+)", statements)} <= given
    assert settings("development")["PGUSER"] == settings("development")["PGDATABASE"] == "mlflow"


@pytest.mark.parametrize("called", ["trainer", "pipelines", "mlflow"])
def test_an_account_mounts_no_token_by_itself(called: str) -> None:
    assert find("base", "ServiceAccount", called)["automountServiceAccountToken"] is False


def test_with_workload_identity_no_key_of_the_store_is_left() -> None:
    given = secrets_of(pod_specs("everything")["Deployment mlflow/mlflow"])
    assert given == {("mlflow-database", "password")}
    assert secrets_of(pod_specs("production")["Deployment mlflow/mlflow"]) > given
    for called in ("trainer", "mlflow"):
        annotations = find("everything", "ServiceAccount", called)["metadata"]["annotations"]
        assert annotations["eks.amazonaws.com/role-arn"].startswith("arn:aws:iam::")


def test_mlflow_is_only_reached_from_outside_through_the_login() -> None:
    [ingress] = of_kind("everything", "Ingress")
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert (path["path"], path["backend"]["service"]["name"]) == ("/", "oauth2-proxy")
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    [proxy] = [
        one["data"] for one in of_kind("everything", "ConfigMap") if one["metadata"]["name"].startswith("oauth2-proxy-")
    ]
    assert proxy["OAUTH2_PROXY_REDIRECT_URL"] == f"https://{rule['host']}/oauth2/callback"
    assert proxy["OAUTH2_PROXY_UPSTREAMS"] == "http://mlflow:5000"
    assert settings("everything")["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == f"https://{rule['host']}"
    assert not [
        one for one in of_kind("everything", "Service") if one["spec"].get("type") in {"NodePort", "LoadBalancer"}
    ]
    assert {name for name, _ in secrets_of(pod_specs("everything")["Deployment mlflow/oauth2-proxy"])} == {
        "oauth2-proxy"
    }


def test_steps_fit_into_the_quota() -> None:
    """Each step's pod by itself; the quota says how many of them there are at once."""
    from include.environment.settings import read_settings
    from include.operators.pods.placement import placement_of
    from tests.kubernetes.quantities import amount
    from trainer.pipeline import load_pipeline
    from trainer.run.flow import PER_ALGORITHM, STEPS

    for name, called in ENVIRONMENTS.items():
        cluster = read_settings(called, PROJECT).kubernetes
        hard = find(name, "ResourceQuota", "training", cluster.namespace)["spec"]["hard"]
        for file in sorted((PROJECT / "include" / "pipelines").glob("*.yaml")):
            pipeline = load_pipeline(file)
            algorithm = next(iter(pipeline.algorithms))
            for step in STEPS:
                asked = placement_of(pipeline, cluster, step, algorithm if step in PER_ALGORITHM else "").resources
                assert amount(str(asked.cpu)) <= amount(hard["requests.cpu"]), (name, file.stem, step)
                assert amount(str(asked.memory)) <= amount(hard["requests.memory"]), (name, file.stem, step)


def test_the_limits_let_a_container_without_resources_start() -> None:
    """A quota refuses a pod that says nothing of what it counts."""
    [limits] = find("base", "LimitRange", "training")["spec"]["limits"]
    hard = find("base", "ResourceQuota", "training")["spec"]["hard"]
    counted = {key.split(".", 1)[1] for key in hard if key.startswith("requests.") and "gpu" not in key}
    assert counted == {*limits["defaultRequest"]} == {*limits["default"]}
    assert hard["services.loadbalancers"] == hard["services.nodeports"] == "0"


def test_the_readme_makes_each_secret_that_production_needs() -> None:
    text = (FOLDER / "README.md").read_text()
    wanted = {("mlflow", *one) for one in secrets_of(pod_specs("production")["Deployment mlflow/mlflow"])}
    cluster = environment("production")["kubernetes"]
    wanted |= {(cluster["namespace"], one["name"], one["key"]) for one in cluster["secrets"].values()}
    made = {
        (namespace, name, key)
        for namespace, name, rest in re.findall(r"kubectl -n ([\w-]+) create secret generic ([\w-]+)(.*)", text)
        for key in re.findall(r"--from-(?:file|literal)=(\w+)", rest)
    }
    assert made == wanted
    assert not re.search(r"--from-literal=(?!username=)", text)
