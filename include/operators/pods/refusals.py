"""What it means that the cluster's API did not take a pod."""

from __future__ import annotations

import re

from include.operators.pods.endings import Ending

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT = 401, 403, 404, 409
WRONG = {400, 413, 422}

UNAVAILABLE = "ClusterUnavailable"

_LACKS_A_RIGHT = re.compile(r'cannot \w+ resource "')
"""The cluster's message for an account whose role lacks a right; pods are listed before one is created."""


def refused(status: int | None, message: str) -> Ending:
    """Why the cluster's API did not take the pod: its HTTP status, None where it did not answer, and its message."""
    if status in {UNAUTHORIZED, FORBIDDEN}:
        return _not_allowed(status, message)
    if status == NOT_FOUND:
        return Ending("PodConfigurationError", f"{message}; create it, or correct `kubernetes.namespace`", "final")
    if status == CONFLICT:
        return Ending("ClusterBusy", f"the cluster could not take the pod just then: {message}", "retry")
    if status in WRONG:
        return Ending("PodConfigurationError", f"the cluster refuses the pod as wrong: {message}", "final")
    return Ending(UNAVAILABLE, message, "retry")


def _not_allowed(status: int | None, message: str) -> Ending:
    if status == UNAUTHORIZED or _LACKS_A_RIGHT.search(message):
        advice = "give Airflow's account the role in include/kubernetes/base, and see whether its token has expired"
        return Ending("NotAuthorized", f"the cluster does not let Airflow start pods: {message}; {advice}", "final")
    if "exceeded quota" in message:
        return Ending("QuotaExceeded", f"{message}; wait until other pods end, or ask for less", "retry")
    return Ending("PodForbidden", f"the cluster does not admit the pod: {message}", "final")
