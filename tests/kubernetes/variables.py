"""What a container's environment variables come to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.kubernetes.spec import Image, Namespace

_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")


class ConfigurationMissingError(Exception):
    """What a container refers to is not there."""


def environment_of(container: Mapping[str, Any], pod: Mapping[str, Any], namespace: Namespace) -> dict[str, str]:
    """The variables that the pod gives a container. Raises ConfigurationMissingError."""
    found: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        found |= {f"{source.get('prefix', '')}{key}": value for key, value in _all_of(source, namespace).items()}
    own: dict[str, str] = {}
    for variable in container.get("env") or []:
        value = _value(variable, pod, namespace, own)
        if value is not None:
            own[variable["name"]] = found[variable["name"]] = value
    return found


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """A text with the values of `$(NAME)`; an unknown one stays as it is, `$$` is a dollar sign."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return variables.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


def command_of(container: Mapping[str, Any], image: Image, variables: Mapping[str, str]) -> list[str]:
    """What is executed: a container's command replaces both of the image's, its arguments only the image's own."""
    first = container.get("command") or image.entrypoint
    then = container.get("args") or (() if container.get("command") else image.command)
    return [expanded(text, variables) for text in (*first, *then)]


def _value(
    variable: Mapping[str, Any], pod: Mapping[str, Any], namespace: Namespace, own: Mapping[str, str]
) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return expanded(variable.get("value") or "", own)
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        raise ConfigurationMissingError("this server for tests knows no resourceFieldRef")
    return _key(source, namespace)


def _key(source: Mapping[str, Any], namespace: Namespace) -> str | None:
    kind, word, known = (
        ("secretKeyRef", "Secret", namespace.secrets)
        if "secretKeyRef" in source
        else ("configMapKeyRef", "ConfigMap", namespace.config_maps)
    )
    reference = source[kind]
    holder = known.get(reference["name"])
    if holder is not None and reference["key"] in holder:
        return holder[reference["key"]]
    if reference.get("optional"):
        return None
    if holder is None:
        raise ConfigurationMissingError(f'{word.lower()} "{reference["name"]}" not found')
    raise ConfigurationMissingError(
        f"couldn't find key {reference['key']} in {word} {namespace.name}/{reference['name']}"
    )


def _all_of(source: Mapping[str, Any], namespace: Namespace) -> Mapping[str, str]:
    for kind, word, known in (
        ("secretRef", "secret", namespace.secrets),
        ("configMapRef", "configmap", namespace.config_maps),
    ):
        if kind in source:
            name = source[kind]["name"]
            if name not in known and not source[kind].get("optional"):
                raise ConfigurationMissingError(f'{word} "{name}" not found')
            return known.get(name, {})
    return {}


def _field(pod: Mapping[str, Any], path: str) -> str:
    """A field of the pod itself, as `metadata.name` or `metadata.labels['step']`."""
    found = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
    if found:
        return str((pod["metadata"].get(found[1]) or {}).get(found[2], ""))
    value: Any = pod
    for part in path.split("."):
        value = (value or {}).get(part)
    return "" if value is None else str(value)
