"""What a container is started with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.kubernetes.processes import Asked
from tests.kubernetes.quantities import amount
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
    )


def memory_limit(container: Object) -> int:
    """Bytes; 0: none."""
    return int(amount(((container.get("resources") or {}).get("limits") or {}).get("memory", "0")))


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
