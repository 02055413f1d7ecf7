"""Label and field selectors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.kubernetes.status import ApiError

Matches = Callable[[dict[str, Any]], bool]
FIELDS = {
    "pods": {"metadata.name", "metadata.namespace", "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
             "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"},
    "events": {"metadata.name", "metadata.namespace", "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
               "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
               "reason", "reportingComponent", "source", "type"},
    "jobs": {"metadata.name", "metadata.namespace", "status.successful"},
}  # fmt: skip
_TERM = re.compile(r"\s*(!?)([^\s=!,()<>]+)\s*(?:(==|=|!=)\s*([^\s,()]*)|(in|notin)\s*\(([^)]*)\))?\s*(?:,|$)")


def label_selector(text: str) -> Matches:
    """What a `labelSelector` lets through. Raises ApiError."""
    terms, at = [], 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or found.end() == at:
            raise ApiError(
                400, f"unable to parse requirement: found {text[at:]!r}, expected: identifier, 'in', 'notin', '=', '=='"
            )
        terms.append(_label_term(*found.groups()))
        at = found.end()
    return lambda one: all(term(one["metadata"].get("labels") or {}) for term in terms)


def _label_term(
    negated: str, key: str, sign: str | None, value: str | None, word: str | None, values: str | None
) -> Matches:
    if sign in {"=", "=="}:
        return lambda labels: labels.get(key) == value
    if sign == "!=":
        return lambda labels: labels.get(key) != value
    if word:
        named = {one.strip() for one in (values or "").split(",")}
        return lambda labels: (labels.get(key) in named) == (word == "in")
    return lambda labels: (key in labels) != bool(negated)


def field_selector(resource: str, text: str) -> Matches:
    """What a `fieldSelector` lets through. Raises ApiError for a field that the API does not select by."""
    terms = []
    for term in filter(None, text.split(",")):
        found = re.fullmatch(r"([\w.]+)(==|=|!=)(.*)", term)
        if found is None:
            raise ApiError(400, f"invalid selector: '{term}'; can't understand '{term}'")
        path, sign, value = found.groups()
        if path not in FIELDS[resource]:
            raise ApiError(
                400,
                f'Unable to find "/v1, Resource={resource}" that match label selector "", field selector "{text}": field label not supported: {path}',
            )
        terms.append((path, sign != "!=", value))
    return lambda one: all((_at(one, path) == value) == wanted for path, wanted, value in terms)


def _at(found: Any, path: str) -> str:
    for part in path.split("."):
        found = (found or {}).get(part)
    return "" if found is None else str(found)
