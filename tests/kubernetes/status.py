"""Errors as the API server answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 409: "AlreadyExists",
    410: "Expired", 415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError",
    503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip

Cause = tuple[str, str, str]
KINDS = {
    "FieldValueRequired": "Required value", "FieldValueInvalid": "Invalid value", "FieldValueNotSupported": "Unsupported value",
    "FieldValueDuplicate": "Duplicate value", "FieldValueNotFound": "Not found", "FieldValueTooLong": "Too long",
    "FieldValueForbidden": "Forbidden",
}  # fmt: skip


class ApiError(Exception):
    """A request that is refused; its body is a Status."""

    def __init__(self, code: int, message: str, reason: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS[code]
        self.details = dict(details or {})

    @property
    def status(self) -> dict[str, Any]:
        whole = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        }  # fmt: skip
        return {**whole, **({"details": self.details} if self.details else {})}


def not_found(resource: str, name: str) -> ApiError:
    return ApiError(404, f'{resource} "{name}" not found', details={"name": name, "kind": resource})


def forbidden(name: str, why: str) -> ApiError:
    return ApiError(403, f'pods "{name}" is forbidden: {why}', details={"name": name, "kind": "pods"})


def bad_request(why: str) -> ApiError:
    return ApiError(400, why)


def invalid(name: str, causes: Sequence[Cause], kind: str = "Pod") -> ApiError:
    """What is wrong in an object: by field, the kind of mistake, and what is said of it."""
    said = [f"{field}: {KINDS[why]}{': ' if text else ''}{text}" for field, why, text in causes]
    listed = [{"reason": why, "message": f"{KINDS[why]}: {text}", "field": field} for field, why, text in causes]
    together = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    message = f'{kind} "{name}" is invalid: {together}'
    return ApiError(422, message, details={"name": name, "kind": kind, "causes": listed})
