"""What a kubelet says while it gets an image, and when it cannot."""

from __future__ import annotations

import re

from tests.kubernetes.faults import PodFaultKind

_NAME = re.compile(
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::\d+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


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
