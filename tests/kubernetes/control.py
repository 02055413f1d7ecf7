"""What a test asks of a cluster in another process: faults to come, and what has happened. Not part of Kubernetes' API."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from tests.kubernetes.faults import Fault, RequestFault
from tests.kubernetes.status import bad_request, not_found

if TYPE_CHECKING:
    from tests.kubernetes.api import Request
    from tests.kubernetes.cluster import Cluster

PREFIX = "/tests/"
_FAULTS: TypeAdapter[list[Fault | RequestFault]] = TypeAdapter(list[Fault | RequestFault])


def answer_control(request: Request, cluster: Cluster) -> Any:
    """The body of the answer. Raises ApiError."""
    match request.verb, request.path.removeprefix(PREFIX):
        case "create", "faults":
            try:
                cluster.faults.add(*_FAULTS.validate_python(request.body))
            except ValidationError as error:
                raise bad_request(f"not a list of faults: {error}") from error
        case "delete", "faults":
            cluster.faults.clear()
        case "get", "faults":
            pass
        case "get", "pods":
            return [dataclasses.asdict(pod) for pod in cluster.pods]
        case "get", "requests":
            return [{"verb": one.verb, "resource": one.resource, "path": one.path} for one in cluster.requests]
        case _:
            raise not_found("control", request.path)
    return [fault.model_dump() for fault in cluster.faults.pending]
