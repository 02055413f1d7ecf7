"""`make cluster-up` and `cluster-down`: what they do in order, and one clear line for each thing that is wrong."""

from __future__ import annotations

import base64
import json
import re
import socket
import stat
import subprocess
from pathlib import Path

import boto3
import pytest
import yaml

from include.cluster import up as module
from include.cluster.__main__ import main
from include.cluster.bucket import BUCKET, PREFIX
from include.cluster.images import IMAGES
from include.cluster.passwords import SECRETS
from include.cluster.programs import NODE_IMAGE
from tests.include.cluster.conftest import Machine
from tests.include.kubernetes.rendering import find, kubectl, pod_specs
from tests.include.kubernetes.test_manifests import VERSIONS, environment, secrets_of
from tests.world import PROJECT

Said = pytest.CaptureFixture[str]


def started(machine: Machine) -> int:
    return main(machine.arguments, machine.programs)


def refused(machine: Machine, capfd: Said, command: list[str] | None = None) -> list[str]:
    """The lines of a command that refuses."""
    assert main(command or machine.arguments, machine.programs) == 2
    return capfd.readouterr().err.splitlines()


def decoded(machine: Machine, name: str, key: str) -> str:
    return base64.b64decode(machine.secrets[name][key]).decode()


@pytest.mark.parametrize(
    ("mlflow", "s3", "said"),
    [
        ("http", "70000", ["MLFLOW_PORT: expected a number from 1 to 65535, found 'http'",
                           "S3_PORT: expected a number from 1 to 65535, found '70000'"]),
        ("5000", "5000", ["MLFLOW_PORT and S3_PORT are one number; give each its own"]),
        ("", "8333", ["MLFLOW_PORT: expected a number from 1 to 65535, found ''"]),
    ],
    ids=["not ports", "equal", "empty"],
)  # fmt: skip
def test_ports_that_cannot_be(machine: Machine, capfd: Said, mlflow: str, s3: str, said: list[str]) -> None:
    assert refused(machine, capfd, ["up", "--mlflow-port", mlflow, "--s3-port", s3]) == said
    assert machine.calls == []


def test_a_cluster_that_gets_ready(machine: Machine, capfd: Said, s3_endpoint: str) -> None:
    (machine.project / ".data" / "telco").mkdir(parents=True)
    (machine.project / ".data" / "telco" / "churn.csv").write_text("id,churn\n1,Yes\n")
    assert started(machine) == 0
    said = capfd.readouterr().out
    assert f"MLflow   http://localhost:{machine.ports['mlflow']} " in said
    assert "source .cluster/env && make run" in said
    calls = [line.split(" --output")[0] for line in machine.calls]
    order = [
        "images.sh build tabular mlflow docker ",
        f"kind create cluster --name training --image {NODE_IMAGE} --wait 5m",
        "kind load docker-image --name training trainer-tabular:0.1.0 mlflow-server:0.1.0",
        "kubectl apply --filename include/kubernetes/base/training/namespace.yaml",
        "kubectl apply --filename include/kubernetes/base/mlflow/namespace.yaml",
        "kubectl create --filename -",
        "kubectl apply --kustomize include/kubernetes/overlays/development",
        "kubectl --namespace mlflow get deployments.apps,statefulsets.apps,pods,events",
        f"kubectl --namespace mlflow port-forward --address=127.0.0.1 service/s3 {machine.ports['s3']}:8333",
    ]
    places = [calls.index(line) for line in order]
    assert places == sorted(places)
    client = boto3.client("s3", endpoint_url=s3_endpoint, aws_access_key_id="any", aws_secret_access_key="any")
    found = client.get_object(Bucket=BUCKET, Key=f"{PREFIX}telco/churn.csv")
    assert found["Body"].read() == b"id,churn\n1,Yes\n"


def test_a_second_call_keeps_what_is_there(machine: Machine, capfd: Said) -> None:
    (machine.project / ".data").mkdir()
    (machine.project / ".data" / "a.csv").write_text("a\n1\n")
    assert started(machine) == 0
    secrets = machine.secrets
    assert "Loading data/a.csv" in capfd.readouterr().out
    assert started(machine) == 0
    assert machine.secrets == secrets
    assert "Loading" not in capfd.readouterr().out
    assert sum("create cluster" in line for line in machine.calls) == 1
    assert sum("port-forward" in line for line in machine.calls) == 4


def test_secrets_are_random_shared_and_never_shown(machine: Machine, capfd: Said) -> None:
    assert started(machine) == 0
    said = capfd.readouterr()
    values = {decoded(machine, name, key) for name, keys in machine.secrets.items() for key in keys} - {"studies"}
    assert len(values) == 5
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in values)
    shown = said.out + said.err + "\n".join(machine.calls)
    assert not [value for value in values if value in shown]
    assert decoded(machine, "mlflow/studies-database", "password") == decoded(
        machine, "ml-training/trainer-studies", "password"
    )
    assert machine.secrets["mlflow/mlflow-s3"] == machine.secrets["ml-training/trainer-s3"]


def test_a_copy_that_is_missing_gets_the_value_of_the_other(machine: Machine) -> None:
    assert started(machine) == 0
    before = machine.secrets
    kept = [
        one
        for one in json.loads((machine.state / "secrets.json").read_text())
        if one["metadata"]["name"] != "trainer-studies"
    ]
    machine.says("secrets.json", json.dumps(kept))
    assert started(machine) == 0
    assert machine.secrets == before


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"username": "c3R1ZGllcw=="},
            (
                "the Secret trainer-studies in ml-training has no 'password'; kubectl --namespace ml-training delete "
                "secret trainer-studies, then make cluster-up"
            ),
        ),
        (
            {"username": "c3R1ZGllcw==", "password": "b3RoZXI="},
            (
                "'password' of the Secret trainer-studies in ml-training is another than that of its servers; kubectl "
                "--namespace ml-training delete secret trainer-studies, then make cluster-up"
            ),
        ),
    ],
    ids=["without a key", "another value"],
)
def test_a_secret_that_is_wrong(machine: Machine, capfd: Said, data: dict[str, str], said: str) -> None:
    assert started(machine) == 0
    found = json.loads((machine.state / "secrets.json").read_text())
    [secret] = [one for one in found if one["metadata"]["name"] == "trainer-studies"]
    secret["data"] = data
    machine.says("secrets.json", json.dumps(found))
    assert refused(machine, capfd) == [said]


def test_what_a_shell_gets(machine: Machine) -> None:
    assert started(machine) == 0
    file = machine.project / ".cluster" / "env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    names = ["PIPELINES_ENVIRONMENT", "AIRFLOW_CONN_AWS_DEFAULT", "AIRFLOW_CONN_KUBERNETES_DEFAULT", "KUBECONFIG"]
    script = f"source {file}; " + "; ".join(f'printf "%s\\n" "${name}"' for name in names)
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    aws, kubernetes = json.loads(said[1]), json.loads(said[2])
    assert said[0] == "trial"
    assert aws["password"] == decoded(machine, "ml-training/trainer-s3", "secret_access_key")
    assert aws["extra"]["endpoint_url"] == f"http://localhost:{machine.ports['s3']}"
    config = yaml.safe_load(Path(kubernetes["extra"]["kube_config_path"]).read_text())
    assert config["users"] == [{"name": "pipelines", "user": {"token": "a-token"}}]
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    assert any(line.startswith("kubectl --namespace ml-training create token pipelines") for line in machine.calls)


def test_with_podman(machine: Machine) -> None:
    machine.exits("docker", 1)
    assert started(machine) == 0
    names = "docker.io/library/trainer-tabular:0.1.0 docker.io/library/mlflow-server:0.1.0"
    archive = f"{machine.project}/.cluster/images.tar"
    assert "images.sh build tabular mlflow podman docker.io/library" in machine.calls
    assert f"podman save --multi-image-archive --output {archive} {names}" in machine.calls
    assert f"kind load image-archive --name training {archive} on podman" in machine.calls
    assert not Path(archive).exists()


def test_programs_that_are_missing(machine: Machine, capfd: Said) -> None:
    for name in ("kind", "kubectl", "docker", "podman"):
        (machine.bin / name).unlink()
    lines = refused(machine, capfd)
    assert lines == [
        "kind is not installed; see https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
        "kubectl is not installed; see https://kubernetes.io/docs/tasks/tools/#kubectl",
        "no container engine answers; start Docker's daemon, or install podman",
    ]
    assert refused(machine, capfd, ["down"]) == lines
    assert not (machine.project / ".cluster").exists()


def test_a_kind_that_is_too_old(machine: Machine, capfd: Said) -> None:
    machine.says("kind-version", "kind v0.31.0 go1.25.5 linux/amd64\n")
    [line] = refused(machine, capfd)
    assert line.startswith("kind v0.31.0 go1.25.5 linux/amd64 is too old: 0.33 or newer is needed; see https://kind")


def test_an_occupied_port(machine: Machine, capfd: Said) -> None:
    port = machine.ports["mlflow"]
    with socket.create_server(("127.0.0.1", port)):
        assert refused(machine, capfd) == [
            (
                f"port {port} of 127.0.0.1 is taken; end what listens there, or choose another: make cluster-up "
                f"MLFLOW_PORT={port + 1}"
            )
        ]
    assert "create cluster" not in "\n".join(machine.calls)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("build", "the images could not be built; the lines above say why"),
        ("kind", "kind could not create the cluster; its lines above say why"),
    ],
)
def test_a_program_that_fails(machine: Machine, capfd: Said, program: str, said: str) -> None:
    machine.exits(program, 1)
    assert refused(machine, capfd) == [said]


def test_a_cluster_that_does_not_answer(machine: Machine, capfd: Said) -> None:
    machine.says("clusters", "training\n")
    machine.refuses((
        "get --raw /readyz",
        "Unable to connect to the server: dial tcp 127.0.0.1:6443: connection refused",
    ))
    [line] = refused(machine, capfd)
    assert line == (
        "the cluster training is there but does not answer (Unable to connect to the server: dial tcp 127.0.0.1:6443: "
        "connection refused); start its container (docker start training-control-plane), or delete it: make cluster-down"
    )


def test_manifests_that_the_cluster_refuses(machine: Machine, capfd: Said) -> None:
    machine.refuses(("apply --kustomize", 'error: no matches for kind "Deployment" in version "apps/v1"'))
    [line] = refused(machine, capfd)
    assert line.startswith("the cluster training refuses include/kubernetes/overlays/development: error: no matches")


def test_a_bucket_that_the_store_refuses(machine: Machine, capfd: Said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    machine.says("target", f"127.0.0.1:{port}")  # the forward leads nowhere
    [line] = refused(machine, capfd)
    assert line.startswith("the S3 store refuses the bucket 'training': ")
    assert line.endswith("kubectl --namespace mlflow logs s3-0 shows its side")


def test_a_forward_that_ends_at_once(machine: Machine, capfd: Said) -> None:
    machine.refuses(("port-forward", 'error: services "mlflow" not found'))
    [line] = refused(machine, capfd)
    assert line == (
        f'port {machine.ports["mlflow"]} does not lead to mlflow in the cluster: error: services "mlflow" not found; '
        "run make cluster-up again"
    )


def test_down_deletes_everything(machine: Machine) -> None:
    assert started(machine) == 0
    assert main(["down"], machine.programs) == 0
    assert "kind delete cluster --name training" in machine.calls
    assert not (machine.project / ".cluster").exists()
    with socket.create_server(("127.0.0.1", machine.ports["mlflow"])):
        pass  # the forward has ended


def test_a_real_kubectl_understands_each_call(machine: Machine, tmp_path: Path) -> None:
    """Up to the connection, which a port that nobody listens on refuses."""
    assert started(machine) == 0
    cluster = {"name": "training", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "training", "context": {"cluster": "training", "user": ""}}
    config = {"clusters": [cluster], "contexts": [context], "current-context": "training"}
    (tmp_path / "config").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    calls = {" ".join(line.split()[1:]) for line in machine.calls if line.startswith("kubectl ")}
    assert len(calls) > 8
    secret = json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one", "namespace": "mlflow"}})
    for call in calls:
        command = [kubectl(), "--kubeconfig", str(tmp_path / "config"), *call.split()]
        done = subprocess.run(command, capture_output=True, text=True, check=False, input=secret, cwd=PROJECT)
        assert "127.0.0.1:9" in done.stdout + done.stderr, call


def test_names_are_those_of_the_manifests_and_environments() -> None:
    trial = environment("development")
    image = trial["kubernetes"]["images"]["tabular"]
    assert image.partition(":")[0] == IMAGES["tabular"]
    version = image.partition(":")[2]
    assert f'version = "{version}"' in (PROJECT / "tasks_image" / "pyproject.toml").read_text()
    assert (
        pod_specs("development")["Deployment mlflow/mlflow"]["containers"][0]["image"]
        == f"{IMAGES['mlflow']}:{version}"
    )
    assert trial["artifact_store"].split("/")[2] == BUCKET
    assert trial["data_store"] == f"s3://{BUCKET}/{PREFIX}".rstrip("/")
    wanted = {("ml-training", one["name"], one["key"]) for one in trial["kubernetes"]["secrets"].values()}
    wanted |= {("mlflow", *one) for spec in pod_specs("development").values() for one in secrets_of(spec)}
    assert {(space, name, key) for (space, name), keys in SECRETS.items() for key in keys} == wanted
    assert all((PROJECT / file).is_file() for file in module.NAMESPACES)
    assert (PROJECT / module.OVERLAY / "kustomization.yaml").is_file()
    find("development", "ServiceAccount", "pipelines", "ml-training")
    assert re.match(r"kindest/node:v(\d+\.\d+)\.\d+@sha256:[0-9a-f]{64}$", NODE_IMAGE)[1] in VERSIONS  # type: ignore[index]
