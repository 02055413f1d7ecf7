"""The churn DAG on a cluster: Airflow's own process here, each step a pod."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.deployment import STEPS, Deployment
from tests.kubernetes.faults import Fault
from tests.postgres import PASSWORD

pytestmark = pytest.mark.end_to_end


def test_the_whole_dag_ends_in_a_promoted_model_after_what_a_cluster_does_to_its_pods(deployment: Deployment) -> None:
    deployment.cluster.faults.add(Fault(kind="oom", step="train"))
    deployment.cluster.faults.add(Fault(kind="evicted", step="ingest"))
    deployment.cluster.faults.add(Fault(kind="gone", step="validate"))
    assert deployment.checkout.run("churn") == 0, deployment.checkout.log.read_text()[-5000:]
    log = deployment.checkout.log.read_text()
    assert "PROMOTED: the new model is production." in log
    assert "Cost: $" in log
    assert "train logistic: OutOfMemory: memory ran out at 2Gi; the next try gets 4096Mi" in log
    assert "ingest: PodEvicted: " in log
    assert "validate: PodLost: the pod is gone" in log
    assert sorted(deployment.steps) == sorted([*STEPS, "train", "ingest", "validate"])
    left = [pod["metadata"]["labels"]["step"] for pod in deployment.cluster.store.find("pods")]
    assert sorted(left) == ["ingest", "train"]  # those that failed
    summary = json.loads(deployment.folder.read_text("summary.json"))
    assert (summary["outcome"], summary["failures"]) == ("promoted", [])
    assert set(summary["seconds"]) >= {"tune_worker logistic 1", "tune_worker logistic 2", "tune logistic"}
    tuned = json.loads(deployment.folder.at("tune", "logistic").read_text("result.json"))
    assert tuned["trials"] == 6
    for secret in (PASSWORD, "test-secret", "kept-secret"):
        assert secret not in log


@pytest.mark.slow
def test_an_image_that_is_not_there_ends_the_run_and_its_mail_says_so(deployment: Deployment) -> None:
    deployment.cluster.faults.add(Fault(kind="image_not_found", step="ingest"))
    assert deployment.checkout.run("churn") != 0
    assert sorted(deployment.steps) == ["ingest", "report", "start"]
    (mail,) = deployment.checkout.mails()
    assert "Training Pipeline - Failure" in mail["Subject"]
    text = mail.get_body(("plain",)).get_content()
    assert "ImagePullError: the image cannot be pulled" in text
    assert deployment.folder.at("ingest").failure() is not None
