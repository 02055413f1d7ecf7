"""What is asked of a cluster while a pod lives, and what is left open after that."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiException

from tests.include.operators.pods.conftest import Operator, Says, context, is_running, wait_until
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.faults import RequestFault
from trainer.run import RunFolder


def test_a_log_of_a_pod_that_is_gone_meanwhile_leaves_no_connection_open(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    says("echo begun; sleep 600")
    task = operator("ingest")
    task._start(run.at("ingest"), context("ingest"))
    wait_until(lambda: is_running(kubernetes))
    client, answers = task.pod_manager._client, []
    read = client.read_namespaced_pod_log

    def read_and_kept(**asked: Any) -> Any:
        answers.append(read(**asked))
        return answers[-1]

    monkeypatch.setattr(client, "read_namespaced_pod_log", read_and_kept)
    kubernetes.faults.add(RequestFault(kind="status", verb="get", resource="pods", status=404))
    with pytest.raises(ApiException, match="404"):
        next(task.pod_manager.read_pod_logs(task.pod, "base", follow=True, timestamps=True))
    assert [(answer.status, answer.closed, answer.connection.sock) for answer in answers] == [(200, True, None)]
