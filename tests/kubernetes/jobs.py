"""What the Job controller does, and the garbage collector for what a Job owns.

Indexed Jobs with `podReplacementPolicy: Failed` and a `podFailurePolicy`: other kinds are refused. Pods that failed are
replaced at once, without a back-off; finalizers are not there.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.kubernetes.admission import admitted
from tests.kubernetes.states import all_containers, container_status, has_ended, is_disrupted
from tests.kubernetes.status import ApiError, invalid
from tests.kubernetes.store import Object
from tests.kubernetes.times import now, parsed

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster

NAME, INDEX = "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index"
SECONDS_BETWEEN_LOOKS = 0.1
LONGEST_HOST_NAME = 63


def validate(job: Object) -> None:
    """Refuse a Job that a real server refuses, and what this one does not simulate. Raises ApiError."""
    name, spec = str(job["metadata"].get("name", "")), job["spec"]
    wanted = {"completionMode": "Indexed", "podReplacementPolicy": "Failed"}
    causes = [
        (f"spec.{key}", "FieldValueNotSupported", f'"{spec.get(key)}": this server for tests only takes {value}')
        for key, value in wanted.items()
        if spec.get(key) != value
    ]
    if spec.get("parallelism") != spec.get("completions"):
        causes.append(("spec.parallelism", "FieldValueInvalid", "this server for tests starts all pods at once"))
    if spec["template"]["spec"].get("restartPolicy") != "Never":
        causes.append(("spec.template.spec.restartPolicy", "FieldValueInvalid", "a podFailurePolicy needs Never"))
    last = f"{name}-{spec.get('completions', 1) - 1}"
    if len(last) > LONGEST_HOST_NAME:
        causes.append((
            "metadata.name",
            "FieldValueInvalid",
            f'"{last}": must be no more than {LONGEST_HOST_NAME} bytes',
        ))
    if causes:
        raise invalid(name, causes)


def with_defaults(job: Object, namespace: str) -> Object:
    """The Job as it is kept, without a status of the client's own."""
    meta = {key: value for key, value in job.get("metadata", {}).items() if key not in {"uid", "resourceVersion"}}
    return {**job, "metadata": {**meta, "namespace": namespace}, "status": {}}


class JobController:
    """Starts the pods of Jobs and says how the Jobs end."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._store = cluster, cluster.store
        self._stopping = threading.Event()
        self._failed: dict[str, dict[str, str]] = {}
        """By Job, what each failed pod counts for."""
        self._thread = threading.Thread(target=self._run, name="job-controller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        with self._store.changed:
            self._store.changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for job in self._store.find("jobs"):
                with contextlib.suppress(ApiError):  # it is gone, or was changed meanwhile
                    self._reconcile(job)
            self._collect_garbage()
            with self._store.changed:
                self._store.changed.wait(SECONDS_BETWEEN_LOOKS)

    def _reconcile(self, job: Object) -> None:
        pods = owned_by(job, self._store.find("pods"))
        if "deletionTimestamp" in job["metadata"]:
            self._end(pods)
            if not pods:
                self._store.remove("jobs", job["metadata"]["namespace"], job["metadata"]["name"])
            return
        if condition(job, "Complete") or condition(job, "Failed"):
            return
        why = condition(job, "FailureTarget") or self._why_failed(job, pods)
        if why is not None:
            self._fail(job, pods, why)
            return
        done = {index_of(pod) for pod in pods if pod["status"]["phase"] == "Succeeded"}
        if len(done) == job["spec"]["completions"]:
            self._conclude(job, {"type": "Complete", "reason": "CompletionsReached"})
            return
        there = done | {index_of(pod) for pod in pods if not has_ended(pod)}
        for index in sorted({*range(job["spec"]["completions"])} - there):
            self._create(job, index)

    def _why_failed(self, job: Object, pods: list[Object]) -> Object | None:
        """The condition of a Job that has to fail; None while it may go on."""
        counted = self._failed.setdefault(job["metadata"]["uid"], {})
        for pod in pods:
            if pod["status"]["phase"] == "Failed" and pod["metadata"]["uid"] not in counted:
                action, why = verdict(job, pod)
                counted[pod["metadata"]["uid"]] = action
                if action == "FailJob":
                    return {"type": "FailureTarget", "reason": "PodFailurePolicy", "message": why}
        if sum(action == "Count" for action in counted.values()) > job["spec"].get("backoffLimit", 6):
            message = "Job has reached the specified backoff limit"
            return {"type": "FailureTarget", "reason": "BackoffLimitExceeded", "message": message}
        longest = job["spec"].get("activeDeadlineSeconds")
        if longest and time.time_ns() - parsed(job["metadata"]["creationTimestamp"]) > longest * 10**9:
            message = "Job was active longer than specified deadline"
            return {"type": "FailureTarget", "reason": "DeadlineExceeded", "message": message}
        return None

    def _fail(self, job: Object, pods: list[Object], why: Object) -> None:
        """First say that it fails, then end what is left, and at last say that it has failed."""
        active = [pod for pod in pods if not has_ended(pod)]
        if not condition(job, "FailureTarget"):
            self._conclude(job, why)
        self._end(active)
        if not active:
            self._conclude(job, {**why, "type": "Failed"})

    def _end(self, pods: list[Object]) -> None:
        for pod in pods:
            if "deletionTimestamp" not in pod["metadata"]:
                with contextlib.suppress(ApiError):
                    self._cluster.delete_pod(pod["metadata"]["namespace"], pod["metadata"]["name"], None)

    def _conclude(self, job: Object, why: Object) -> None:
        made = {**why, "status": "True", "lastTransitionTime": now(), "lastProbeTime": now()}

        def change(found: Object) -> None:
            found["status"].setdefault("conditions", []).append(made)

        self._store.update("jobs", job["metadata"]["namespace"], job["metadata"]["name"], change)

    def _create(self, job: Object, index: int) -> None:
        meta, template = job["metadata"], job["spec"]["template"]
        own = template.get("metadata") or {}
        kind = {NAME: meta["name"], "batch.kubernetes.io/controller-uid": meta["uid"], INDEX: str(index)}
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"], "controller": True}
        number = {"name": "JOB_COMPLETION_INDEX", "value": str(index)}
        spec = {**template["spec"], "hostname": f"{meta['name']}-{index}"}
        for place in ("initContainers", "containers"):
            spec[place] = [{**one, "env": [*(one.get("env") or []), number]} for one in spec.get(place) or []]
        pod = {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": f"{meta['name']}-{index}-{secrets.token_hex(3)[:5]}", "namespace": meta["namespace"],
                "labels": {**(own.get("labels") or {}), **kind}, "annotations": {**(own.get("annotations") or {}), INDEX: str(index)},
                "ownerReferences": [{**owner, "blockOwnerDeletion": True}],
            },
            "spec": spec,
        }  # fmt: skip
        with self._store.changed:
            cluster = self._cluster
            self._store.create("pods", admitted(pod, meta["namespace"], cluster.spec, self._store, cluster.faults))

    def _collect_garbage(self) -> None:
        """Delete what belongs to a Job that is gone."""
        known = {job["metadata"]["uid"] for job in self._store.find("jobs")}
        for resource in ("pods", "services"):
            for one in self._store.find(resource):
                owners = [owner["uid"] for owner in one["metadata"].get("ownerReferences") or []]
                if not owners or known & {*owners}:
                    continue
                if resource == "pods":
                    self._end([one])
                else:
                    with contextlib.suppress(ApiError):
                        self._store.remove(resource, one["metadata"]["namespace"], one["metadata"]["name"])


def owned_by(job: Object, objects: list[Object]) -> list[Object]:
    uid = job["metadata"]["uid"]
    return [one for one in objects if any(own["uid"] == uid for own in one["metadata"].get("ownerReferences") or [])]


def condition(job: Object, kind: str) -> Object | None:
    found: list[Object] = [one for one in job["status"].get("conditions", []) if one["type"] == kind]
    return found[0] if found else None


def index_of(pod: Object) -> int:
    return int(pod["metadata"]["labels"][INDEX])


def verdict(job: Object, pod: Object) -> tuple[str, str]:
    """What a failed pod counts for by the Job's podFailurePolicy, and the words for it."""
    meta = pod["metadata"]
    codes = {
        one["name"]: (container_status(pod, one["name"])["state"].get("terminated") or {}).get("exitCode", 0)
        for one in all_containers(pod)
    }
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules", [])):
        if _conditions_match(rule, pod):
            return rule["action"], f"Pod {meta['namespace']}/{meta['name']} has condition matching rule {number}"
        for name, code in codes.items():
            if code and _codes_match(rule.get("onExitCodes"), name, code):
                said = f"Container {name} for pod {meta['namespace']}/{meta['name']} failed with exit code {code}"
                return rule["action"], f"{said} matching {rule['action']} rule at index {number}"
    return "Count", ""


def _conditions_match(rule: Object, pod: Object) -> bool:
    return bool(rule.get("onPodConditions")) and is_disrupted(pod)


def _codes_match(wanted: Any, name: str, code: int) -> bool:
    if not wanted or wanted.get("containerName") not in {None, name}:
        return False
    return bool((code in wanted["values"]) == (wanted["operator"] == "In"))
