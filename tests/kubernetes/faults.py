"""What a test lets go wrong, each as often as it says."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from tests.kubernetes.api import Request

PodFaultKind = Literal[
    "webhook", "quota", "unschedulable", "slow_pull", "image_not_found", "image_unauthorized", "image_timeout",
    "oom", "killed", "evicted", "preempted", "node_lost", "gone", "node_shutdown",
]  # fmt: skip
PULL: tuple[PodFaultKind, ...] = ("image_not_found", "image_unauthorized", "image_timeout")
WHILE_RUNNING: tuple[PodFaultKind, ...] = (
    "oom",
    "killed",
    "evicted",
    "preempted",
    "node_lost",
    "gone",
    "node_shutdown",
)


class Declared(BaseModel):
    """A declaration: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fault(Declared):
    """What befalls the next pods that match."""

    kind: PodFaultKind
    step: str = ""
    labels: dict[str, str] = {}
    name: str = ""
    """A regular expression for the beginning of the pod's name."""
    times: int = 1
    """How many pods."""
    after: float = 0.0
    """Seconds after the start of the first container; for one that befalls a running pod."""
    seconds: float | None = None
    """For how long: a slow pull, a pull that fails at first, a pod that cannot be scheduled at first. None: for ever."""
    message: str = ""
    until_read: bool = False
    """A disrupted pod stays until a client has read why it is disrupted, however long that takes."""

    def matches(self, pod: Any) -> bool:
        labels = pod["metadata"].get("labels") or {}
        wanted = {**self.labels, **({"step": self.step} if self.step else {})}
        named = re.match(self.name, pod["metadata"].get("name", "")) is not None
        return named and wanted.items() <= labels.items()


class RequestFault(Declared):
    """What befalls the next requests that match."""

    kind: Literal["status", "hang", "reset", "cut"]
    """Answered with an error; after `seconds`, without an answer; by a connection reset; a stream that breaks off."""
    verb: str = ""
    """As in a role: create, get, list, watch, patch, delete."""
    resource: str = ""
    """`pods`, `pods/log`, `events`; empty: any."""
    path: str = ""
    """A regular expression that is looked for in the path."""
    times: int = 1
    status: int = 500
    retry_after: int | None = None
    message: str = ""
    seconds: float = 60.0
    done: bool = False
    """Whether what was asked is done all the same: the answer alone is lost."""
    parts: int = 1
    """After how many parts (lines, changes) a stream breaks off."""

    def matches(self, request: Request) -> bool:
        same = self.verb in {"", request.verb} and self.resource in {"", request.resource}
        return same and re.search(self.path, request.path) is not None


class Faults:
    """Those that are still to come, and those that came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._for_pods: list[tuple[Fault, set[str]]] = []
        self._for_requests: list[list[Any]] = []

    def add(self, *faults: Fault | RequestFault) -> None:
        with self._lock:
            for fault in faults:
                if isinstance(fault, Fault):
                    self._for_pods.append((fault, set()))
                else:
                    self._for_requests.append([fault, fault.times])

    def clear(self) -> None:
        """Nothing more goes wrong; what has already befallen a pod stays."""
        with self._lock:
            self._for_pods.clear()
            self._for_requests.clear()

    def of(self, pod: Any, *kinds: PodFaultKind) -> Fault | None:
        """What of these kinds befalls a pod; one that it has once befallen stays with it."""
        with self._lock:
            key = pod["metadata"]["uid"]
            for fault, hit in self._for_pods:
                if fault.kind in kinds and fault.matches(pod) and (key in hit or len(hit) < fault.times):
                    hit.add(key)
                    return fault
        return None

    def of_request(self, request: Request) -> RequestFault | None:
        with self._lock:
            for left in self._for_requests:
                fault: RequestFault = left[0]
                if left[1] > 0 and fault.matches(request):
                    left[1] -= 1
                    return fault
        return None

    @property
    def pending(self) -> list[Fault | RequestFault]:
        """Those that have not befallen as many as they were meant for: none, in a test that means what it says."""
        with self._lock:
            pods: list[Fault | RequestFault] = [fault for fault, hit in self._for_pods if len(hit) < fault.times]
            return [*pods, *(left[0] for left in self._for_requests if left[1] > 0)]
