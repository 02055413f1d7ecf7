"""What a well-formed pod must keep to: names, labels, resources, volumes, tolerations; 422 where it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.kubernetes.quantities import amount as quantity
from tests.kubernetes.schema import required
from tests.kubernetes.states import containers_of
from tests.kubernetes.status import Cause, invalid
from tests.kubernetes.store import Object

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
MEANT = {
    SUBDOMAIN: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    f"start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')",
    LABEL: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    f"with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')",
    VALUE: "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{VALUE}')",
    NAME: "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{NAME}')",
}
STANDARD = {"cpu", "memory", "ephemeral-storage"}
ANNOTATIONS = 256 * 1024
POLICIES = ("Always", "Never", "OnFailure")


def validate(pod: Object) -> None:
    """Refuse a pod with all that is wrong in it."""
    name = str(pod["metadata"].get("name", ""))
    required(name, pod)
    causes = [*_metadata(pod["metadata"]), *_spec(pod["spec"])]
    if causes:
        raise invalid(name, causes)


def _text(field: str, text: str, pattern: str, longest: int) -> Iterator[Cause]:
    if len(text) > longest:
        yield field, "FieldValueInvalid", f'"{text}": must be no more than {longest} bytes'
    if not re.fullmatch(pattern, text):
        yield field, "FieldValueInvalid", f'"{text}": {MEANT[pattern]}'


def _metadata(metadata: Object) -> Iterator[Cause]:
    yield from _text("metadata.name", str(metadata.get("name", "")), SUBDOMAIN, 253)
    yield from labels_are_valid("metadata.labels", metadata.get("labels") or {})
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        yield from _key("metadata.annotations", key)
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items()) > ANNOTATIONS:
        yield "metadata.annotations", "FieldValueTooLong", f"may not be more than {ANNOTATIONS} bytes"


def labels_are_valid(field: str, labels: dict[str, str]) -> Iterator[Cause]:
    """What is wrong in labels or in a node selector."""
    for key, value in labels.items():
        yield from _key(field, key)
        yield from _text(field, value, VALUE, 63)


def _key(field: str, key: str) -> Iterator[Cause]:
    prefix, slash, name = key.rpartition("/")
    if slash:
        yield from _text(field, prefix, SUBDOMAIN, 253)
    yield from _text(field, name, NAME, 63)


def _spec(spec: Object) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield "spec.containers", "FieldValueRequired", ""
    if spec["restartPolicy"] not in POLICIES:
        supported = ", ".join(f'"{one}"' for one in POLICIES)
        yield (
            "spec.restartPolicy",
            "FieldValueNotSupported",
            f'"{spec["restartPolicy"]}": supported values: {supported}',
        )
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline < 2**31:
        yield (
            "spec.activeDeadlineSeconds",
            "FieldValueInvalid",
            f"{deadline}: must be between 1 and 2147483647, inclusive",
        )
    yield from labels_are_valid("spec.nodeSelector", spec.get("nodeSelector") or {})
    yield from _tolerations(spec.get("tolerations") or [])
    yield from _unique("spec.volumes", [volume["name"] for volume in spec.get("volumes") or []])
    containers = containers_of(spec)
    for place in ("initContainers", "containers"):
        yield from _unique(
            f"spec.{place}", [container["name"] for where, container in containers if where.startswith(place)]
        )
    for place, container in containers:
        yield from _container(f"spec.{place}", container, {volume["name"] for volume in spec.get("volumes") or []})


def _unique(field: str, names: list[str]) -> Iterator[Cause]:
    for number, name in enumerate(names):
        yield from _text(f"{field}[{number}].name", name, LABEL, 63)
        if name in names[:number]:
            yield f"{field}[{number}].name", "FieldValueDuplicate", f'"{name}"'


def _container(field: str, container: Object, volumes: set[str]) -> Iterator[Cause]:
    if not container.get("image"):
        yield f"{field}.image", "FieldValueRequired", ""
    elif container["image"] != container["image"].strip():
        yield (
            f"{field}.image",
            "FieldValueInvalid",
            f'"{container["image"]}": must not have leading or trailing whitespace',
        )
    for number, variable in enumerate(container.get("env") or []):
        yield from _variable(f"{field}.env[{number}]", variable)
    yield from _mounts(field, container.get("volumeMounts") or [], volumes)
    yield from _resources(f"{field}.resources", container.get("resources") or {})
    security = container.get("securityContext") or {}
    if security.get("privileged") and security.get("allowPrivilegeEscalation") is False:
        yield (
            f"{field}.securityContext",
            "FieldValueInvalid",
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
        )


def _variable(field: str, variable: Object) -> Iterator[Cause]:
    if "=" in variable["name"] or not variable["name"].isprintable() or not variable["name"]:
        yield (
            f"{field}.name",
            "FieldValueInvalid",
            f"\"{variable['name']}\": a valid environment variable name must consist only of printable ASCII characters other than '='",
        )
    if variable.get("valueFrom") is not None:
        if variable.get("value"):
            yield f"{field}.valueFrom", "FieldValueInvalid", '"": may not be specified when `value` is not empty'
        if len(variable["valueFrom"]) != 1:
            yield (
                f"{field}.valueFrom",
                "FieldValueInvalid",
                '"": must specify exactly one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
            )


def _mounts(field: str, mounts: list[Object], volumes: set[str]) -> Iterator[Cause]:
    paths = [mount["mountPath"] for mount in mounts]
    for number, mount in enumerate(mounts):
        if mount["name"] not in volumes:
            yield f"{field}.volumeMounts[{number}].name", "FieldValueNotFound", f'"{mount["name"]}"'
        if mount["mountPath"] in paths[:number]:
            yield (
                f"{field}.volumeMounts[{number}].mountPath",
                "FieldValueInvalid",
                f'"{mount["mountPath"]}": must be unique',
            )


def _resources(field: str, resources: Object) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            yield from _amount(f"{field}.{kind}", name, amount)
    for name, amount in requests.items():
        if name not in limits:
            if "/" in name:
                yield f"{field}.limits", "FieldValueRequired", "Limit must be set for non overcommitable resources"
        elif "/" in name and quantity(amount) != quantity(limits[name]):
            yield (
                f"{field}.requests",
                "FieldValueInvalid",
                f'"{amount}": must be equal to {name} limit of {limits[name]}',
            )
        elif quantity(amount) > quantity(limits[name]):
            yield (
                f"{field}.requests",
                "FieldValueInvalid",
                f'"{amount}": must be less than or equal to {name} limit of {limits[name]}',
            )


def _amount(field: str, name: str, amount: Any) -> Iterator[Cause]:
    if "/" not in name and name not in STANDARD and not name.startswith("hugepages-"):
        yield f"{field}[{name}]", "FieldValueInvalid", f'"{name}": must be a standard resource for containers'
    if quantity(amount) < 0:
        yield f"{field}[{name}]", "FieldValueInvalid", f'"{amount}": must be greater than or equal to 0'
    if "/" in name and quantity(amount) % 1:
        yield f"{field}[{name}]", "FieldValueInvalid", f'"{amount}": must be an integer'


def _tolerations(tolerations: list[Object]) -> Iterator[Cause]:
    for number, toleration in enumerate(tolerations):
        field, how = f"spec.tolerations[{number}]", toleration.get("operator") or "Equal"
        if how not in {"Equal", "Exists"}:
            yield f"{field}.operator", "FieldValueNotSupported", f'"{how}": supported values: "Equal", "Exists"'
        if how == "Exists" and toleration.get("value"):
            yield (
                f"{field}.operator",
                "FieldValueInvalid",
                f"\"{toleration['value']}\": value must be empty when `operator` is 'Exists'",
            )
        if how != "Exists" and not toleration.get("key"):
            yield (
                f"{field}.operator",
                "FieldValueInvalid",
                f"\"{how}\": operator must be Exists when `key` is empty, which means 'match all values and all keys'",
            )
        if toleration.get("effect") not in {None, "", "NoSchedule", "PreferNoSchedule", "NoExecute"}:
            yield (
                f"{field}.effect",
                "FieldValueNotSupported",
                f'"{toleration["effect"]}": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
            )
        if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
            yield (
                f"{field}.effect",
                "FieldValueInvalid",
                f"\"{toleration.get('effect', '')}\": effect must be 'NoExecute' when `tolerationSeconds` is set",
            )
