"""The three kinds of patches."""

from __future__ import annotations

import copy
from typing import Any

from tests.kubernetes.status import ApiError
from tests.kubernetes.store import Object

JSON, MERGE, STRATEGIC = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
KEYS = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath",
    "imagePullSecrets": "name", "ownerReferences": "uid", "conditions": "type",
}  # fmt: skip
"""By which key a strategic patch merges a list; other lists it replaces."""


def patched(before: Object, patch: Any, kind: str) -> Object:
    """The object after a patch. Raises ApiError."""
    if kind == JSON:
        return _json_patched(before, patch)
    if kind not in {MERGE, STRATEGIC}:
        raise ApiError(
            415,
            f"the body of the request was in an unknown format - accepted media types include: {JSON}, {MERGE}, {STRATEGIC}, application/apply-patch+yaml",
        )
    if not isinstance(patch, dict):
        raise ApiError(400, "json: cannot unmarshal array into Go value of type map[string]interface {}")
    merged: Object = _merged(before, patch, strategic=kind == STRATEGIC)
    return merged


def _merged(before: Any, patch: Any, *, strategic: bool, field: str = "") -> Any:
    if isinstance(patch, list) and strategic and field in KEYS and isinstance(before, list):
        return _merged_list(before, patch, KEYS[field])
    if not isinstance(patch, dict):
        return patch
    if strategic and patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    after = {**before} if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = _merged(after.get(key), value, strategic=strategic, field=key)
    return after


def _merged_list(before: list[Any], patch: list[Any], key: str) -> list[Any]:
    after = {one[key]: one for one in before}
    for one in patch:
        if one.get("$patch") == "delete":
            after.pop(one[key], None)
        else:
            after[one[key]] = _merged(after.get(one[key]), one, strategic=True)
    return list(after.values())


def _json_patched(before: Object, patch: Any) -> Object:
    after = copy.deepcopy(before)
    for step in patch:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        holder: Any = after
        try:
            for part in parts[:-1]:
                holder = holder[int(part)] if isinstance(holder, list) else holder[part]
            _apply(holder, parts[-1], step)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            said = f'{step["op"]} operation does not apply: doc is missing path: "{step["path"]}": missing value'
            raise ApiError(422, f"the server rejected our request due to an error in our request: {said}") from error
    return after


def _apply(holder: Any, last: str, step: Object) -> None:
    if isinstance(holder, list):
        at = len(holder) if last == "-" else int(last)
        if step["op"] == "add":
            holder.insert(at, step["value"])
            return
        holder[at]  # a path that is not there
        holder[at : at + 1] = [] if step["op"] == "remove" else [step["value"]]
        return
    if step["op"] in {"remove", "replace", "test"}:
        holder[last]  # a path that is not there
    if step["op"] == "test":
        if holder[last] != step["value"]:
            raise ApiError(
                422,
                f"the server rejected our request due to an error in our request: testing value {step['path']} failed: test failed",
            )
    elif step["op"] == "remove":
        del holder[last]
    else:
        holder[last] = step["value"]
