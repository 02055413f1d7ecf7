"""A network trained by two pods of a Job, in a whole DAG on a cluster; one of them is taken away meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.end_to_end.deployment import Deployment
from tests.kubernetes.faults import Fault
from tests.world import PROJECT

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]
pytest.importorskip("torch", reason="PyTorch is not installed: make setup-deep")

INDEX = "batch.kubernetes.io/job-completion-index"


def digits() -> dict[str, Any]:
    """The MNIST pipeline on the built-in digits, with a small network and two nodes that train it."""
    shipped: dict[str, Any] = yaml.safe_load((PROJECT / "include" / "pipelines" / "mnist.yaml").read_text())
    params = {"epochs": 6, "lr": 0.01, "batch_size": 32, "channels": [8, 16], "hidden": 32, "checkpoint_minutes": 0.01}
    return {
        **shipped,
        "name": "churn",  # whose run folders the deployment shows
        "schedule": None,
        "source": {"KIND": "sample", "sample": "digits", "rows": 900},
        "algorithms": {"cnn": {"KIND": "cnn", "params": params}},
        "acceptance": {},
        "behaviour": [],
        "resources": {"default": {"image": "tabular"}, "train": {"nodes": 2, "cpu": "1"}},
    }


def test_a_dag_whose_training_two_pods_share_ends_in_a_promoted_model(deployment: Deployment) -> None:
    file = deployment.checkout.home / "pipelines" / "churn.yaml"
    file.write_text(yaml.safe_dump(digits(), sort_keys=False))
    deployment.cluster.faults.add(Fault(kind="evicted", labels={"step": "train", INDEX: "1"}, after=8))
    assert deployment.checkout.run("churn") == 0, deployment.checkout.log.read_text()[-5000:]
    log = deployment.checkout.log.read_text()
    assert "PROMOTED: the new model is production." in log
    trained = [pod.labels[INDEX] for pod in deployment.cluster.pods if pod.labels["step"] == "train"]
    assert (trained.count("0"), trained.count("1")) == (1, 2)
    result = json.loads(deployment.folder.at("train", "cnn").read_text("result.json"))
    assert result["cores"] == 2.0, "one of each node"
    assert deployment.cluster.store.find("jobs") == []
    assert deployment.cluster.store.find("services") == []
