"""Delete failed pods that were kept for a person to look at for long enough, and orphans of killed tasks."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiException

from include.operators.pods.endings import ended_at
from include.operators.pods.manager import TROUBLES, reason_of
from include.operators.pods.manifest import MANAGED_BY
from include.operators.pods.refusals import NOT_FOUND

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

logger = logging.getLogger(__name__)

LEAST_HOURS_OF_ORPHANS = 1.0


def sweep_ended_pods(client: CoreV1Api, namespace: str, keep_hours: float) -> int:
    """Delete our failed pods that ended more than so many hours ago, and orphans; return how many.

    An orphan has succeeded, and its task was killed before it could judge the pod and delete it. A task that goes on
    does that at once, or when its next try has found the pod: so an orphan is kept for an hour at least. If this cannot
    be done it is logged: a run does not depend on it.
    """
    kept = {"Failed": keep_hours, "Succeeded": max(keep_hours, LEAST_HOURS_OF_ORPHANS)}
    try:
        return sum(_sweep(client, namespace, phase, hours) for phase, hours in kept.items())
    except TROUBLES as error:
        logger.warning("ended pods in %s cannot be swept: %s", namespace, reason_of(error))
        return 0


def _sweep(client: CoreV1Api, namespace: str, phase: str, hours: float) -> int:
    selector = ",".join(f"{key}={value}" for key, value in MANAGED_BY.items())
    oldest = datetime.now(UTC) - timedelta(hours=hours)
    found = client.list_namespaced_pod(namespace, label_selector=selector, field_selector=f"status.phase={phase}")
    old = [pod for pod in found.items if _ended_at(pod) < oldest]
    for pod in old:
        _delete(client, pod)
    if old:
        logger.info("%d %s pods swept that were older than %g hours", len(old), phase.lower(), hours)
    return len(old)


def _delete(client: CoreV1Api, pod: Any) -> None:
    try:
        client.delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace)
    except ApiException as error:
        if error.status != NOT_FOUND:  # another run's sweep was quicker
            raise


def _ended_at(pod: Any) -> datetime:
    """When the last of its containers ended, or when the pod was made."""
    when: datetime = ended_at(pod) or pod.metadata.creation_timestamp
    return when
