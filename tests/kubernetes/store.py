"""The objects of the cluster, each change with its resourceVersion, for as many watchers as there are."""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.kubernetes.status import ApiError, not_found
from tests.kubernetes.times import now

Object = dict[str, Any]
KEPT = 1000
"""How many changes a watch can go back."""


@dataclass(frozen=True)
class Change:
    """What happened to an object."""

    version: int
    resource: str
    kind: str
    object: Object


class Store:
    """Objects by resource, namespace and name. What goes in and out is a copy."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.history: dict[str, list[Object]] = {}
        """By uid, every state that a pod was seen in."""
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._changes: list[Change] = []
        self._version = 1000
        self._oldest = 1000

    @property
    def version(self) -> int:
        return self._version

    def create(self, resource: str, made: Object) -> Object:
        """Keep a new object. Raises ApiError where the name is taken."""
        meta = made["metadata"]
        key = (resource, meta["namespace"], meta["name"])
        with self.changed:
            if key in self._objects:
                raise ApiError(
                    409, f'{resource} "{meta["name"]}" already exists', details={"name": meta["name"], "kind": resource}
                )
            meta.setdefault("uid", str(uuid.uuid4()))
            meta.setdefault("creationTimestamp", now())
            return self._put(key, made, "ADDED")

    def get(self, resource: str, namespace: str, name: str) -> Object:
        with self.changed:
            found = self._objects.get((resource, namespace, name))
            if found is None:
                raise not_found(resource, name)
            return copy.deepcopy(found)

    def find(self, resource: str, namespace: str = "") -> list[Object]:
        """All of a resource, in the order of their names."""
        with self.changed:
            found = [
                one for key, one in sorted(self._objects.items()) if key[0] == resource and namespace in {"", key[1]}
            ]
            return copy.deepcopy(found)

    def update(self, resource: str, namespace: str, name: str, change: Callable[[Object], Object | None]) -> Object:
        """Change an object, or exchange it for what `change` returns. Nothing is noted where it stays as it was."""
        with self.changed:
            before = self.get(resource, namespace, name)
            draft = copy.deepcopy(before)
            after = change(draft) or draft
            if after == before:
                return before
            return self._put((resource, namespace, name), after, "MODIFIED")

    def remove(self, resource: str, namespace: str, name: str, uid: str = "") -> Object:
        with self.changed:
            found = self.get(resource, namespace, name)
            if uid and found["metadata"]["uid"] != uid:
                raise not_found(resource, name)
            removed = self._put((resource, namespace, name), found, "DELETED")
            del self._objects[resource, namespace, name]
            return removed

    def forget_changes(self) -> None:
        """As a compaction does: no watch can begin before now."""
        with self.changed:
            self._changes.clear()
            self._oldest = self._version
            self.changed.notify_all()

    def watch(self, resource: str, since: int, until: float) -> Iterator[Change | None]:
        """The changes after a version, until a time; None now and then, so that the caller can look around."""
        while (left := until - time.monotonic()) > 0:
            with self.changed:
                if since < self._oldest:
                    raise ApiError(410, f"too old resource version: {since} ({self._oldest})")
                found = [one for one in self._changes if one.version > since and one.resource == resource]
                if not found:
                    self.changed.wait(min(left, 0.2))
                since = max([since, *(one.version for one in found)])
            yield from found
            if not found:
                yield None

    def _put(self, key: tuple[str, str, str], made: Object, kind: str) -> Object:
        self._version += 1
        made["metadata"]["resourceVersion"] = str(self._version)
        self._objects[key] = made
        kept = copy.deepcopy(made)
        self._changes.append(Change(self._version, key[0], kind, kept))
        if key[0] == "pods":
            self.history.setdefault(made["metadata"]["uid"], []).append(kept)
        if len(self._changes) > KEPT:
            self._oldest = self._changes.pop(0).version
        self.changed.notify_all()
        return copy.deepcopy(made)
