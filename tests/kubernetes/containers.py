"""What a container is started with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.kubernetes.processes import Asked
from tests.kubernetes.quantities import amount, shortest
from tests.kubernetes.spec import Image, Spec
from tests.kubernetes.store import Object
from tests.kubernetes.variables import ConfigurationMissingError, command_of, environment_of

SERVICE = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
"""Where the API is, as every container is told. Nothing answers there: a step never talks to Kubernetes."""


def prepare_volumes(pod: Object, folder: Path, spec: Spec) -> str:
    """Make the folders that stand for a pod's volumes; returns what one of them lacks, if it does."""
    namespace = spec.namespace(pod["metadata"]["namespace"])
    for volume in pod["spec"].get("volumes") or []:
        place = folder / "volumes" / volume["name"]
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o777)
        for kind, word, key, known in (
            ("secret", "secret", "secretName", namespace.secrets if namespace else {}),
            ("configMap", "configmap", "name", namespace.config_maps if namespace else {}),
        ):
            if kind in volume and volume[kind][key] not in known:
                return f'"{volume["name"]}" : {word} "{volume[kind][key]}" not found'
            for name, text in known[volume[kind][key]].items() if kind in volume else ():
                (place / name).write_text(text)
    return ""


def asked_of(container: Object, pod: Object, image: Image, folder: Path, spec: Spec) -> Asked:
    """Raises ConfigurationMissingError."""
    namespace = spec.namespace(pod["metadata"]["namespace"])
    if namespace is None:
        raise ConfigurationMissingError("the namespace is gone")
    security = {**(pod["spec"].get("securityContext") or {}), **(container.get("securityContext") or {})}
    user = security.get("runAsUser", image.user)
    if security.get("runAsNonRoot") and user == 0:
        named = f"{pod['metadata']['name']}_{namespace.name}({pod['metadata']['uid']})"
        raise ConfigurationMissingError(
            f'container has runAsNonRoot and image will run as root (pod: "{named}", container: {container["name"]})'
        )
    variables = environment_of(container, pod, namespace)
    command = command_of(container, image, variables)
    if not command:
        raise ConfigurationMissingError("no command specified")
    return Asked(
        command=command,
        env={**image.env, "HOSTNAME": pod["metadata"]["name"], **SERVICE, **variables},
        user=user,
        passwd=image.passwd and user == image.user,
        directory=container.get("workingDir") or image.working_directory,
        read_only=bool(security.get("readOnlyRootFilesystem")),
        volumes=dict(_mounts(container, pod, folder, spec)),
        shared=spec.shared,
        hosts=_hosts(pod["spec"]),
    )


def _hosts(spec: Object) -> list[str]:
    """Names of pods of a Job by which its Service knows them: of the first one, and of this one."""
    domain, own = spec.get("subdomain"), spec.get("hostname")
    return [f"{name}.{domain}" for name in dict.fromkeys([f"{domain}-0", own])] if domain and own else []


def limit_of(containers: Sequence[Object], resource: str) -> Decimal:
    """What containers may use together; 0: no limit, since one of them has none."""
    limits = [((one.get("resources") or {}).get("limits") or {}).get(resource, "0") for one in containers]
    amounts = [amount(limit) for limit in limits]
    return sum(amounts, Decimal(0)) if all(amounts) else Decimal(0)


def too_much_disk(pod: Object, folder: Path) -> str:
    """What a kubelet says of a pod that uses more of its node's disk than it may; what it writes to memory is not counted."""
    total = 0
    for volume in pod["spec"].get("volumes") or []:
        empty = volume.get("emptyDir")
        if empty is None or empty.get("medium") == "Memory":
            continue
        used = _size(folder / "volumes" / volume["name"])
        total += used
        if (limit := empty.get("sizeLimit")) and used > amount(limit):
            return f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
    limit = limit_of(pod["spec"]["containers"], "ephemeral-storage")
    if limit and total > limit:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {shortest(limit)}. "
    return ""


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += (Path(place) / name).lstat().st_blocks * 512
    return total


def _mounts(container: Object, pod: Object, folder: Path, spec: Spec) -> Iterator[tuple[str, Mapping[str, Any]]]:
    volumes = {one["name"]: one for one in pod["spec"].get("volumes") or []}
    for mount in container.get("volumeMounts") or []:
        empty = volumes[mount["name"]].get("emptyDir")
        if empty is not None and empty.get("medium") == "Memory" and spec.isolated:
            yield mount["mountPath"], {"bytes": int(amount(empty.get("sizeLimit", "0")))}
            continue
        path = folder / "volumes" / mount["name"] / mount.get("subPath", "")
        path.mkdir(parents=True, exist_ok=True)
        yield mount["mountPath"], {"path": str(path), "read_only": empty is None or bool(mount.get("readOnly"))}
