"""Requests to the cluster's API while a Job lives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import generic_api_retry
from kubernetes.client import ApiException

from include.operators.pods.job_manifest import JOB_NAME
from include.operators.pods.manager import TROUBLES, reason_of, said_in
from include.operators.pods.manifest import SECONDS_TO_END
from include.operators.pods.refusals import CONFLICT, NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Callable

    from kubernetes.client import BatchV1Api, CoreV1Api

SECONDS_TO_BE_GONE = SECONDS_TO_END + 10
Propagation = Literal["Foreground", "Background"]
"""`Foreground`: the Job is there until its pods are gone; `Background`: they go after it."""


class JobManager:
    """The Jobs, Services and pods of a namespace. Its questions are repeated where an answer may come later.

    Raises what the client raises, unless a method says otherwise.
    """

    def __init__(self, core: CoreV1Api, batch: BatchV1Api, namespace: str, warn: Callable[..., Any]) -> None:
        self._core, self._batch, self._namespace, self._warn = core, batch, namespace, warn

    def create(self, job: Any) -> Any:
        """Create a Job. One that is there already is the same: the answer to an earlier request was lost."""
        body = self._batch.api_client.sanitize_for_serialization(job)
        made = self._created(self._batch.create_namespaced_job, body)
        return made or self.read(job.metadata.name)

    def create_service(self, service: Any) -> None:
        """Create a Service, if it is not there already."""
        self._created(self._core.create_namespaced_service, service)

    def read(self, name: str) -> Any:
        """Return a Job as it stands."""
        return _asked(self._batch.read_namespaced_job, name, self._namespace)

    def pods_of(self, name: str) -> list[Any]:
        """Return the pods of a Job."""
        selector = f"{JOB_NAME}={name}"
        found: list[Any] = _asked(self._core.list_namespaced_pod, self._namespace, label_selector=selector).items
        return found

    def find(self, selector: str) -> Any | None:
        """Return a Job with these labels that is not about to be deleted; None if none has them."""
        found = _asked(self._batch.list_namespaced_job, self._namespace, label_selector=selector).items
        return next((job for job in found if job.metadata.deletion_timestamp is None), None)

    def label(self, name: str, labels: dict[str, str]) -> None:
        """Add labels; a failure is logged."""
        try:
            _asked(self._batch.patch_namespaced_job, name, self._namespace, {"metadata": {"labels": labels}})
        except TROUBLES as error:
            self._warn("job %s cannot be labelled: %s", name, reason_of(error))

    def delete(self, name: str, propagation: Propagation) -> None:
        """Delete a Job with its pods and its Service; a failure is logged."""
        try:
            self._batch.delete_namespaced_job(name, self._namespace, propagation_policy=propagation)
        except TROUBLES as error:
            if getattr(error, "status", None) != NOT_FOUND:
                self._warn("job %s cannot be deleted: %s", name, reason_of(error))

    def wait_until_gone(self, name: str) -> None:
        """Wait until a Job that is deleted and its pods are gone, for as long as they may take to end."""
        until = time.monotonic() + SECONDS_TO_BE_GONE
        while time.monotonic() < until:
            try:
                self._batch.read_namespaced_job(name, self._namespace)
            except TROUBLES:
                return
            time.sleep(0.5)

    def _created(self, create: Callable[..., Any], body: Any) -> Any | None:
        """Create an object, or return None if it is there already; other conflicts pass."""

        def once() -> Any | None:
            try:
                return create(self._namespace, body)
            except ApiException as error:
                if error.status == CONFLICT and said_in(error, "reason") == "AlreadyExists":
                    return None
                raise

        return _asked(once)


def _asked(question: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Ask a question again where the cluster's API fails in a way that may pass."""
    return generic_api_retry(question)(*arguments, **named)  # type: ignore[no-untyped-call]
