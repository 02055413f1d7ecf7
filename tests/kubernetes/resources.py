"""Pods, their logs and their events, Jobs and Services, by verb."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.kubernetes import jobs
from tests.kubernetes.admission import admitted, checked_update
from tests.kubernetes.logs import Log, Reading
from tests.kubernetes.patching import patched
from tests.kubernetes.schema import decoded, required
from tests.kubernetes.selectors import Matches, field_selector, label_selector
from tests.kubernetes.states import all_containers, container_status
from tests.kubernetes.status import ApiError
from tests.kubernetes.store import Change, Object
from tests.kubernetes.times import now, parsed

if TYPE_CHECKING:
    from tests.kubernetes.api import Request
    from tests.kubernetes.cluster import Cluster

VERSION = {
    "major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "clean", "buildDate": "",
    "goVersion": "", "compiler": "gc", "platform": "linux/amd64",
}  # fmt: skip
LONGEST_WATCH = 1800
KINDS = {"pods": "Pod", "events": "Event", "jobs": "Job", "services": "Service"}


@dataclass(frozen=True)
class Answer:
    """A body, or a stream of parts; None among them when there is nothing to say for a while."""

    body: Any = None
    code: int = 200
    stream: Iterable[bytes | None] | None = None
    content_type: str = "application/json"


class Resources:
    """What the API answers to each request."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._store = cluster.store

    def answer(self, request: Request) -> Answer:
        """Raises ApiError."""
        if request.path.rstrip("/") == "/version":
            return Answer(VERSION)
        if not request.resource:
            raise ApiError(404, "the server could not find the requested resource")
        answers = {
            ("create", "pods"): self._create, ("get", "pods"): self._get, ("list", "pods"): self._list, ("watch", "pods"): self._watch,
            ("patch", "pods"): self._patch, ("delete", "pods"): self._delete, ("get", "pods/log"): self._log,
            ("get", "events"): self._get, ("list", "events"): self._list, ("watch", "events"): self._watch,
            ("get", "pods/status"): self._get, ("create", "jobs"): self._create_job, ("get", "jobs"): self._get,
            ("list", "jobs"): self._list, ("patch", "jobs"): self._patch_labels, ("delete", "jobs"): self._delete_job,
            ("create", "services"): self._create_service,
        }  # fmt: skip
        found = answers.get((request.verb, request.resource))
        if found is None:
            raise ApiError(405, "the server does not allow this method on the requested resource")
        return found(request)

    def _create(self, request: Request) -> Answer:
        cluster = self._cluster
        with self._store.changed:
            pod = admitted(request.body, request.namespace, cluster.spec, self._store, cluster.faults)
            if request.query.get("dryRun") == "All":
                return Answer(pod, 201)
            return Answer(self._store.create("pods", pod), 201)

    def _get(self, request: Request) -> Answer:
        kind = request.resource.partition("/")[0]
        found = self._store.get(kind, request.namespace, request.name)
        if kind == "pods":
            self._cluster.note_read(found)
        return Answer(found)

    def _list(self, request: Request) -> Answer:
        matches = self._selected(request)
        with self._store.changed:
            version = self._store.version
            found = [one for one in self._store.find(request.resource, request.namespace) if matches(one)]
        items = [{key: value for key, value in one.items() if key not in {"apiVersion", "kind"}} for one in found]
        kind, group = f"{KINDS[request.resource]}List", "batch/v1" if request.resource == "jobs" else "v1"
        return Answer({
            "kind": kind,
            "apiVersion": group,
            "metadata": {"resourceVersion": str(version)},
            "items": items,
        })

    def _watch(self, request: Request) -> Answer:
        matches = self._selected(request)
        since = request.number("resourceVersion") or 0
        until = time.monotonic() + (request.number("timeoutSeconds") or LONGEST_WATCH)
        return Answer(stream=self._changes(request, matches, since, until))

    def _changes(self, request: Request, matches: Matches, since: int, until: float) -> Iterator[bytes | None]:
        resource, namespace = request.resource, request.namespace
        with self._store.changed:
            there = [one for one in self._store.find(resource, namespace) if matches(one)]
            if not since:  # as the API does: first all that is there
                since = self._store.version
                yield from [_line("ADDED", one) for one in there]
        seen = {one["metadata"]["uid"] for one in there if int(one["metadata"]["resourceVersion"]) <= since}
        try:
            for change in self._store.watch(resource, since, until):
                yield None if change is None else self._told(change, namespace, matches, seen)
        except ApiError as error:
            yield _line("ERROR", error.status)

    @staticmethod
    def _told(change: Change, namespace: str, matches: Matches, seen: set[str]) -> bytes | None:
        """A change as a watcher sees it, for whom an object comes and goes with what it selects."""
        one, uid = change.object, change.object["metadata"]["uid"]
        if namespace not in {"", one["metadata"]["namespace"]}:
            return None
        known = uid in seen
        if change.kind == "DELETED" or not matches(one):
            seen.discard(uid)
            return _line("DELETED", one) if known else None
        seen.add(uid)
        return _line("MODIFIED" if known else "ADDED", one)

    def _selected(self, request: Request) -> Matches:
        labels = label_selector(request.query.get("labelSelector", ""))
        fields = field_selector(request.resource, request.query.get("fieldSelector", ""))
        return lambda one: labels(one) and fields(one)

    def _patch(self, request: Request) -> Answer:
        kind = request.content_type.partition(";")[0]

        def change(pod: Object) -> Object:
            after = patched(pod, request.body, kind)
            return checked_update(pod, after)

        return Answer(self._store.update("pods", request.namespace, request.name, change))

    def _delete(self, request: Request) -> Answer:
        grace = request.number("gracePeriodSeconds")
        if isinstance(request.body, dict) and request.body.get("gracePeriodSeconds") is not None:
            grace = request.body["gracePeriodSeconds"]
        return Answer(self._cluster.delete_pod(request.namespace, request.name, grace))

    def _create_job(self, request: Request) -> Answer:
        job = jobs.with_defaults(decoded(request.body, "Job"), request.namespace)
        required(job["metadata"].get("name", ""), job, "Job")
        jobs.validate(job)
        return Answer(self._store.create("jobs", job), 201)

    def _create_service(self, request: Request) -> Answer:
        service = decoded(request.body, "Service")
        required(service["metadata"].get("name", ""), service, "Service")
        service["metadata"]["namespace"] = request.namespace
        return Answer(self._store.create("services", service), 201)

    def _patch_labels(self, request: Request) -> Answer:
        kind = request.content_type.partition(";")[0]

        def change(found: Object) -> Object:
            return {**found, "metadata": patched(found, request.body, kind)["metadata"]}

        return Answer(self._store.update(request.resource, request.namespace, request.name, change))

    def _delete_job(self, request: Request) -> Answer:
        """With `Foreground` the Job goes after its pods, else before them."""
        body = request.body if isinstance(request.body, dict) else {}
        policy = request.query.get("propagationPolicy") or body.get("propagationPolicy") or "Background"
        if policy != "Foreground":
            return Answer(self._store.remove("jobs", request.namespace, request.name))

        def change(job: Object) -> None:
            job["metadata"].setdefault("deletionTimestamp", now())

        return Answer(self._store.update("jobs", request.namespace, request.name, change))

    def _log(self, request: Request) -> Answer:
        pod = self._store.get("pods", request.namespace, request.name)
        log = self._log_of(pod, request.query.get("container", ""))
        lines = log.read(self._reading(request))
        return Answer(stream=self._while_reachable(pod, lines), content_type="text/plain")

    def _while_reachable(self, pod: Object, lines: Iterator[bytes | None]) -> Iterator[bytes | None]:
        """A log that is followed breaks off with the node."""
        worker = self._cluster.workers[pod["metadata"]["uid"]]
        for line in lines:
            yield line
            if worker.lost:
                raise ConnectionResetError

    def _log_of(self, pod: Object, name: str) -> Log:
        meta = pod["metadata"]
        names = [one["name"] for one in pod["spec"]["containers"]]
        if not name and len(names) > 1:
            said = f"a container name must be specified for pod {meta['name']}, choose one of: [{' '.join(names)}]"
            raise ApiError(400, said)
        name = name or names[0]
        if name not in {one["name"] for one in all_containers(pod)}:
            raise ApiError(400, f"container {name} is not valid for pod {meta['name']}")
        worker = self._cluster.workers.get(meta["uid"])
        if worker is None:
            raise ApiError(400, f"pod {meta['name']} does not have a host assigned")
        if worker.lost:
            where = f"https://10.0.0.1:10250/containerLogs/{meta['namespace']}/{meta['name']}/{name}"
            raise ApiError(500, f'Get "{where}": dial tcp 10.0.0.1:10250: connect: no route to host')
        if (waiting := container_status(pod, name)["state"].get("waiting")) is not None:
            pulling = waiting["reason"] in {"ErrImagePull", "ImagePullBackOff"}
            why = "trying and failing to pull image" if pulling else waiting["reason"]
            raise ApiError(400, f'container "{name}" in pod "{meta["name"]}" is waiting to start: {why}')
        return worker.logs[name]

    @staticmethod
    def _reading(request: Request) -> Reading:
        since, seconds = 0, request.number("sinceSeconds")
        if seconds is not None:
            since = time.time_ns() - seconds * 10**9
        if "sinceTime" in request.query:
            try:
                since = parsed(request.query["sinceTime"])
            except ValueError:
                raise ApiError(400, f"parsing time {request.query['sinceTime']!r}") from None
        return Reading(
            request.flag("follow"),
            request.flag("timestamps"),
            since,
            request.number("tailLines"),
            request.number("limitBytes"),
        )


def _line(kind: str, found: Object) -> bytes:
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"
