"""The pod that explains why a Job has failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import models as k8s

from include.operators.pods.endings import STEP
from include.operators.pods.job_manifest import INDEX, longest_seconds, seconds_kept
from include.operators.pods.job_state import JobState, index_of

NOON = datetime(2026, 1, 4, 12, tzinfo=UTC)


def job(reason: str = "PodFailurePolicy") -> Any:
    condition = SimpleNamespace(type="Failed", status="True", reason=reason, message="Job has failed")
    return SimpleNamespace(
        status=SimpleNamespace(conditions=[condition]), spec=SimpleNamespace(active_deadline_seconds=60)
    )


def pod(index: int, code: int, second: int = 0) -> k8s.V1Pod:
    """A pod that ended with an exit code."""
    at = NOON + timedelta(seconds=second)
    state = k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=code, finished_at=at))
    status = k8s.V1ContainerStatus(name=STEP, state=state, image="", image_id="", ready=False, restart_count=0)
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name=f"job-{index}", labels={INDEX: str(index)}),
        status=k8s.V1PodStatus(phase="Failed" if code else "Succeeded", container_statuses=[status]),
    )


@pytest.mark.parametrize(
    ("pods", "index", "then", "code"),
    [
        ([pod(0, 1, 5), pod(1, 137, 9)], 1, "more memory", 137),
        ([pod(0, 1, 5), pod(1, 4, 9)], 1, "ask the step", 4),
        ([pod(0, 1, 9), pod(1, 1, 5)], 0, "ask the step", 1),
        ([pod(0, 143, 5), pod(1, 1, 9)], 1, "ask the step", 1),
        ([pod(2, 1, 9), pod(1, 1, 5), pod(0, 0, 1)], 1, "ask the step", 1),
        ([pod(0, 143, 5)], 0, "ask the step", 143),
    ],
    ids=["memory", "final", "the step's own", "not one that was ended", "the first", "only those that were ended"],
)
def test_the_culprit_is_the_pod_whose_end_says_most(pods: list[Any], index: int, then: str, code: int) -> None:
    state = JobState(job(), pods)
    assert state.culprit is not None
    assert index_of(state.culprit) == index
    ending = state.ending(lambda _: [])
    assert (ending.then, ending.exit_code) == (then, code)


def test_a_job_without_a_pod_that_failed_says_what_the_cluster_says() -> None:
    late = JobState(job("DeadlineExceeded"), [pod(0, 143)])
    assert [(one.error, one.then) for one in (late.ending(lambda _: [], 60), late.ending(lambda _: []))] == [
        ("DeadlineExceeded", "final"),
        ("StepTimeout", "retry"),
    ]
    silent = JobState(job("BackoffLimitExceeded"), []).ending(lambda _: [])
    assert (silent.error, silent.then) == ("JobFailed", "retry")
    assert "none of its pods says why (BackoffLimitExceeded: Job has failed)" in silent.message


def test_a_job_that_nobody_ends_lasts_little_longer_than_its_task() -> None:
    assert longest_seconds(None, timedelta(hours=12)) == 12 * 3600 + 600
    assert longest_seconds(30, timedelta(hours=12)) == 1800
    assert longest_seconds(None, None) is None
    assert (seconds_kept(0), seconds_kept(24)) == (3600, 86400), "its task may have to find it again"
