"""A cluster's API that stumbles or is away; waited for by a worker and by the triggerer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from include.operators.base import StepFailedError
from include.operators.pods import manager
from include.operators.pods.operator import PodStepOperator
from tests.include.operators.pods.conftest import Describe, Operator, Says, carried_out, context, pods, wait_until
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.faults import RequestFault
from trainer.run import RunFolder

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

pytestmark = pytest.mark.usefixtures("mode", "quick_retries")

LINES = 6
STUMBLES: dict[str, RequestFault] = {
    "create: too many requests": RequestFault(kind="status", verb="create", status=429, retry_after=1),
    "create: error": RequestFault(kind="status", verb="create", status=500, times=2),
    "create: no answer": RequestFault(kind="hang", verb="create", seconds=1),
    "create: broken off": RequestFault(kind="reset", verb="create"),
    "create: quota conflict": RequestFault(kind="status", verb="create", status=409, message="resourcequotas: conflict"),
    "create: done, the answer lost": RequestFault(kind="reset", verb="create", done=True),
    "create: done, answered with an error": RequestFault(kind="status", verb="create", status=503, done=True),
    "get: unavailable": RequestFault(kind="status", verb="get", resource="pods", status=503, times=3),
    "get: broken off": RequestFault(kind="reset", verb="get", resource="pods", times=2),
    "list: too many requests": RequestFault(kind="status", verb="list", resource="pods", status=429),
    "delete: error": RequestFault(kind="status", verb="delete", status=500),
    "delete: done, the answer lost": RequestFault(kind="reset", verb="delete", done=True),
}  # fmt: skip


def _stumbles() -> Iterator[ParameterSet]:
    """Every stumble with each of those who wait; the worker creates the pod for both."""
    for (name, fault), deferrable in itertools.product(STUMBLES.items(), (False, True)):
        repeated = deferrable and name.startswith("create")
        who = "triggerer" if deferrable else "worker"
        yield pytest.param(deferrable, fault, id=f"{who}-{name}", marks=[pytest.mark.slow] if repeated else [])


READINGS: dict[str, RequestFault] = {
    "error": RequestFault(kind="status", resource="pods/log", status=500),
    "broken off before the first line": RequestFault(kind="reset", resource="pods/log"),
    "ended after a line": RequestFault(kind="cut", resource="pods/log", parts=1),
    "ended twice after three lines": RequestFault(kind="cut", resource="pods/log", parts=3, times=2),
}


@pytest.fixture
def talking(operator: Operator, says: Says) -> None:
    """A step that says a few lines, one after another, before it does its work."""
    command = " ".join(PodStepOperator.command.fget(operator("decide")))  # type: ignore[attr-defined]
    says(f"for n in $(seq {LINES}); do echo INFO said: line $n.; sleep 0.3; done; {command}")


def assert_said_once(log: str) -> None:
    assert [log.count(f"said: line {number}.") for number in range(1, LINES + 1)] == [1] * LINES, log


def decided(operator: Operator, made: Any = None) -> str:
    outcome: str = carried_out(lambda: operator("decide"), made or context("decide"))["outcome"]
    return outcome


@pytest.mark.parametrize(("mode", "fault"), [*_stumbles()], indirect=["mode"])
def test_a_stumble_is_survived_by_one_and_the_same_pod(
    fault: RequestFault, kubernetes: Cluster, evaluated: RunFolder, operator: Operator
) -> None:
    kubernetes.faults.add(fault)
    assert decided(operator) == "promote"
    assert kubernetes.faults.pending == []
    wait_until(lambda: not pods(kubernetes))
    assert len(kubernetes.workers) == 1


@pytest.mark.parametrize("fault", READINGS.values(), ids=READINGS)
def test_a_reading_that_ends_too_soon_loses_no_line_and_repeats_none(
    fault: RequestFault, kubernetes: Cluster, evaluated: RunFolder, operator: Operator, talking: None,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    kubernetes.faults.add(fault)
    assert decided(operator) == "promote"
    assert kubernetes.faults.pending == []
    assert_said_once(capfd.readouterr().out)


def test_so_does_a_step_that_is_quiet_for_long(
    kubernetes: Cluster, evaluated: RunFolder, operator: Operator, talking: None, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(manager, "QUIET_SECONDS", 0.2)
    assert decided(operator) == "promote"
    said = capfd.readouterr().out
    assert_said_once(said)
    assert "log read interrupted" not in said


@pytest.mark.parametrize("verb", ["create", "get"])
def test_an_outage_is_named_and_the_next_try_goes_on(
    verb: str, kubernetes: Cluster, evaluated: RunFolder, operator: Operator, capfd: pytest.CaptureFixture[str]
) -> None:
    store: dict[str, Any] = {}
    kubernetes.faults.add(RequestFault(kind="status", verb=verb, resource="pods", status=503, times=1000))
    with pytest.raises(StepFailedError, match="decide: ClusterUnavailable: the cluster's API does not answer: 503"):
        decided(operator, context("decide", 1, store))
    kubernetes.faults.clear()
    assert len(pods(kubernetes)) == (0 if verb == "create" else 1)
    assert decided(operator, context("decide", 2, store)) == "promote"
    assert len(kubernetes.workers) == 1


def test_events_that_cannot_be_read_hide_no_failure(
    kubernetes: Cluster, run: RunFolder, operator: Operator, says: Says
) -> None:
    says("exit 4")
    kubernetes.faults.add(RequestFault(kind="status", resource="events", status=500, times=1000))
    with pytest.raises(Exception, match="model refused"):
        carried_out(lambda: operator("ingest"), context("ingest"))


def test_a_creation_that_fails_shows_neither_specification_nor_environment(
    kubernetes: Cluster, run: RunFolder, operator: Operator, cluster_environment: Describe, mode: bool,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    cluster_environment(
        deferrable=mode, variables={"PLANTED": "planted-value", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    )
    kubernetes.faults.add(RequestFault(kind="status", verb="create", status=500, times=1000))
    with pytest.raises(StepFailedError) as error:
        carried_out(lambda: operator("start", pipeline="planted: yaml", parameters="{}"), context("start"))
    everything = repr(error.value) + "".join(capfd.readouterr())
    assert "ClusterUnavailable" in everything
    assert "planted" not in everything
    assert "trainer-s3" not in everything
