"""The published schemas of pods, Jobs and Services: what is of a wrong type is refused, what is unknown is dropped, as the API does."""

from __future__ import annotations

import functools
from typing import Any

from tests.kubernetes.quantities import EXPECTED, is_quantity
from tests.kubernetes.status import bad_request, invalid
from tests.kubernetes.store import Object

VERSION = "1.34"
KINDS = {"Pod": ("v1", "pod-v1"), "Job": ("batch/v1", "job-batch-v1"), "Service": ("v1", "service-v1")}
FOLDER = f"kubernetes-json-schema/v{VERSION}.0-local"


@functools.cache
def _contents(name: str) -> Any:
    from kubernetes_validate.utils import schema_contents

    return schema_contents(f"{FOLDER}/{name}.json", VERSION)


@functools.cache
def _validator(name: str) -> Any:
    import jsonschema
    from referencing import Registry, Resource

    # `kubernetes_validate.validate` reads its files anew each time, which takes 0.1 s
    parts = [Resource.from_contents(_contents(part)) for part in (name, "_definitions")]
    registry: Any = parts @ Registry()
    return jsonschema.validators.Draft202012Validator(_contents(name), registry=registry)


def decoded(body: Object, kind: str = "Pod") -> Object:
    """An object as the API server reads it: without what it does not know; 400 where a field has the wrong type."""
    version, schema = KINDS[kind]
    if (body.get("apiVersion") or version, body.get("kind") or kind) != (version, kind):
        raise bad_request(
            f"the API version in the data ({body.get('apiVersion')}) does not match the expected API version ({version})"
        )
    made = dict(_known(body, _contents(schema)))
    for place in _quantities(made.get("spec") or {}):
        if not is_quantity(place):
            raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {EXPECTED}')
    for error in _validator(schema).iter_errors(made):
        path = ".".join(str(part) for part in error.path)
        if error.validator != "required":
            raise bad_request(
                f'{kind} in version "{version}" cannot be handled as a {kind}: json: cannot unmarshal into Go struct field {kind}.{path}: {error.message}'
            )
    return made


def required(name: str, made: Object, kind: str = "Pod") -> None:
    """422 where a field is missing."""
    missing = [error for error in _validator(KINDS[kind][1]).iter_errors(made) if error.validator == "required"]
    if missing:
        causes = []
        for error in missing:
            field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.path).lstrip(".")
            causes.append((f"{field}.{error.message.split(chr(39))[1]}".lstrip("."), "FieldValueRequired", ""))
        raise invalid(name, causes, kind)


def _quantities(spec: Object) -> list[Any]:
    holders = [container.get("resources") or {} for place in ("containers", "initContainers")
               for container in spec.get(place) or [] if isinstance(container, dict)]  # fmt: skip
    found = [
        amount for holder in holders for kind in ("limits", "requests") for amount in (holder.get(kind) or {}).values()
    ]
    limits = [(volume.get("emptyDir") or {}).get("sizeLimit") for volume in spec.get("volumes") or []]
    return found + [limit for limit in limits if limit is not None]


def _known(value: Any, schema: Any) -> Any:
    while "$ref" in schema:
        schema = _contents("_definitions")["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [_known(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict) or not (
        "properties" in schema or isinstance(schema.get("additionalProperties"), dict)
    ):
        return value
    parts, other = schema.get("properties", {}), schema.get("additionalProperties")
    kept = {
        key: _known(item, parts.get(key, other))
        for key, item in value.items()
        if key in parts or isinstance(other, dict)
    }
    return {key: item for key, item in kept.items() if item is not None}
