"""What is heard of a pod, and the cluster that it runs in."""

import os
import subprocess
from queue import SimpleQueue
from typing import Any

import pytest

from bench import cluster
from bench.cluster import Heard, Watch, environment_with_cluster, life_of_pod
from include.environment.settings import load_settings
from tests.kubernetes.fixtures import pod_of
from trainer.errors import TrainerError


def watch_that_hears(*heard: Heard) -> Watch:
    watch: Watch = SimpleQueue()
    for one in heard:
        watch.put(one)
    return watch


PODS_LIFE = (
    Heard(1.0, "ADDED", "Pending"),
    Heard(2.0, "MODIFIED", "Pending"),
    Heard(3.0, "MODIFIED", "Running"),
    Heard(5.0, "MODIFIED", "Succeeded"),
    Heard(8.0, "MODIFIED", "Succeeded"),
    Heard(9.0, "DELETED", "Succeeded"),
)


def test_a_pod_lives_from_its_creation_until_it_has_ended():
    assert life_of_pod(watch_that_hears(*PODS_LIFE)) == 4.0


def test_what_is_heard_of_the_next_pod_is_left_for_it():
    watch = watch_that_hears(*PODS_LIFE, *PODS_LIFE)
    assert [life_of_pod(watch), life_of_pod(watch)] == [4.0, 4.0]
    assert watch.empty()


def test_a_pod_that_stays_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_TO_HEAR", 0)
    with pytest.raises(TrainerError, match="not removed, but was seen Pending and Running and Succeeded"):
        life_of_pod(watch_that_hears(*PODS_LIFE[:-1]))


def test_the_environment_has_a_cluster_of_its_own_and_is_put_back(monkeypatch):
    begun = []
    popen = subprocess.Popen

    def noted(*args: Any, **kwargs: Any) -> Any:
        begun.append(popen(*args, **kwargs))
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    before, settings = dict(os.environ), load_settings()
    with environment_with_cluster() as (folder, watch):
        assert load_settings().name == "bench"
        create(pod_of("true"))
        assert watch.get(timeout=20)[1:] == ("ADDED", "Pending")
    assert dict(os.environ) == before
    assert load_settings() == settings
    assert not folder.exists()
    assert [process.returncode for process in begun] == [0]


def create(pod: dict[str, Any]) -> None:
    """By the connection that the operators use."""
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

    client = KubernetesHook(load_settings().kubernetes.connection).core_v1_client
    client.create_namespaced_pod(load_settings().kubernetes.namespace, pod)
    client.api_client.rest_client.pool_manager.clear()


def test_a_server_that_does_not_start_is_no_measurement(monkeypatch, tmp_path):
    monkeypatch.setattr(cluster, "PROJECT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(TrainerError, match=r"-m tests\.kubernetes did not start"), environment_with_cluster():
        pass
