"""What a kubelet says while it gets an image, and when it cannot."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from tests.kubernetes.faults import PULL, Fault, PodFaultKind
from tests.kubernetes.spec import Image

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster
    from tests.kubernetes.kubelet import Worker
    from tests.kubernetes.store import Object

_NAME = re.compile(
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::\d+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
RETRY_SECONDS = 0.5
"""After how long a kubelet tries again what did not work; a real one takes ten and more."""


def image_of(container: Object, worker: Worker, cluster: Cluster) -> Image:
    """The container's image, once it is there. Raises what ends the pod where it never is."""
    reference, name = container["image"], container["name"]
    if not is_reference(reference):
        _never(worker, name, "InvalidImageName", "InspectFailed", invalid_name(reference))
    if fault := cluster.faults.of(worker.pod, "slow_pull"):
        worker.event("Pulling", f'Pulling image "{reference}"')
        worker.pause(fault.seconds or 60)
    if fault := cluster.faults.of(worker.pod, *PULL):
        _cannot_pull(worker, name, reference, fault)
    known = cluster.spec.images.get(reference)
    if known is None and container["imagePullPolicy"] == "Never":
        said = f'Container image "{reference}" is not present with pull policy of Never'
        _never(worker, name, "ErrImageNeverPull", "ErrImageNeverPull", said)
    while known is None:
        _cannot_pull(worker, name, reference, Fault(kind="image_not_found"))
    worker.event("Pulled", f'Container image "{reference}" already present on machine')
    return known


def _never(worker: Worker, name: str, reason: str, event: str, message: str) -> None:
    worker.event(event, message, "Warning")
    worker.waits(name, reason, message)
    worker.pause(float("inf"))


def _cannot_pull(worker: Worker, name: str, reference: str, fault: Fault) -> None:
    """Try and back off, for as long as the fault lasts."""
    until = time.monotonic() + (fault.seconds if fault.seconds is not None else float("inf"))
    said = fault.message or why_not_pulled(reference, fault.kind)
    backing_off = f'Back-off pulling image "{reference}"'
    while time.monotonic() < until:
        worker.event("Pulling", f'Pulling image "{reference}"')
        worker.event("Failed", f'Failed to pull image "{reference}": {said}', "Warning")
        worker.event("Failed", "Error: ErrImagePull", "Warning")
        worker.waits(name, "ErrImagePull", said)
        worker.pause(RETRY_SECONDS / 2)
        worker.event("BackOff", backing_off)
        worker.event("Failed", "Error: ImagePullBackOff", "Warning")
        worker.waits(name, "ImagePullBackOff", f"{backing_off}: ErrImagePull: {said}")
        worker.pause(RETRY_SECONDS)


def is_reference(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def full_name(reference: str) -> str:
    """The reference with its registry and its tag, as containerd names it."""
    first, slash, _ = reference.partition("/")
    named = (
        reference
        if slash and ("." in first or ":" in first or first == "localhost")
        else f"docker.io/{'' if slash else 'library/'}{reference}"
    )
    return named if ":" in named.rpartition("/")[2] or "@" in named else f"{named}:latest"


def invalid_name(reference: str) -> str:
    return f'Failed to apply default image tag "{reference}": couldn\'t parse image name "{reference}": invalid reference format'


def why_not_pulled(reference: str, kind: PodFaultKind) -> str:
    """What the container runtime says."""
    name = full_name(reference)
    registry, _, rest = name.partition("/")
    repository = rest.rpartition(":")[0]
    head = f'failed to do request: Head "https://{registry}/v2/{repository}/manifests/{rest.rpartition(":")[2]}"'
    code, why = {
        "image_unauthorized": (
            "Unknown",
            "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials",
        ),
        "image_timeout": ("Unknown", f"{head}: dial tcp 10.0.0.9:443: i/o timeout"),
    }.get(kind, ("NotFound", f"{name}: not found"))
    resolved = f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {why}'
    return f"rpc error: code = {code} desc = {resolved}"
