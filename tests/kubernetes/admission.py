"""What a pod goes through before it is kept."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tests.kubernetes.defaults import with_defaults
from tests.kubernetes.quantities import amount, shortest
from tests.kubernetes.schema import decoded
from tests.kubernetes.security import violations
from tests.kubernetes.spec import Namespace, Spec
from tests.kubernetes.states import has_ended
from tests.kubernetes.status import ApiError, bad_request, forbidden, invalid, not_found
from tests.kubernetes.validation import validate

if TYPE_CHECKING:
    from tests.kubernetes.faults import Faults
    from tests.kubernetes.store import Object, Store

COUNTED = ("cpu", "memory", "ephemeral-storage")


def authorize(spec: Spec, verb: str, resource: str, namespace: str, name: str) -> None:
    """Raise ApiError where the client's role lacks the verb."""
    found = spec.namespace(namespace)
    own = found.allowed.get(resource, ()) if found is not None else ()
    if verb in {*own, *spec.allowed_everywhere.get(resource, ())}:
        return
    kind = resource.partition("/")[0]
    subject = f'{kind} "{name}"' if name else kind
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    asked = f'User "{spec.user}" cannot {verb} resource "{resource}" in API group "" {where}'
    raise ApiError(403, f"{subject} is forbidden: {asked}", details={"name": name, "kind": kind})


def admitted(body: object, namespace: str, spec: Spec, store: Store, faults: Faults) -> Object:
    """The pod as it is kept. Raises ApiError: what is said first is what a real server says first."""
    where = spec.namespace(namespace)
    if where is None:
        raise not_found("namespaces", namespace)
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized (must be of type Pod)")
    said = decoded(body)
    if said.get("metadata", {}).get("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    pod = with_defaults(said, namespace, spec.priority_classes)
    name = pod["metadata"].get("name", "")
    _names_what_is_there(pod, name, where, spec)
    validate(pod)
    if pod["spec"]["restartPolicy"] != "Never":
        raise bad_request(
            "this server for tests starts no container again: it takes pods with `restartPolicy: Never` alone"
        )
    if fault := faults.of(pod, "webhook"):
        message = fault.message or "the image is not on the list"
        raise ApiError(403, f'admission webhook "policy.example.com" denied the request: {message}')
    if where.enforce != "privileged" and (found := violations(pod["spec"], where.enforce)):
        raise forbidden(name, f'violates PodSecurity "{where.enforce}:latest": {", ".join(found)}')
    if faults.of(pod, "quota"):
        raise forbidden(
            name, "exceeded quota: compute, requested: requests.cpu=1, used: requests.cpu=8, limited: requests.cpu=8"
        )
    _within_quotas(pod, name, where, store)
    return pod


CHANGEABLE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")


def checked_update(before: Object, after: Object) -> Object:
    """A pod after a client's change: its labels and annotations, but hardly anything of its specification. Raises ApiError."""
    name, meta = before["metadata"]["name"], after["metadata"]
    version = meta.get("resourceVersion", before["metadata"]["resourceVersion"])
    if version != before["metadata"]["resourceVersion"]:
        said = "the object has been modified; please apply your changes to the latest version and try again"
        raise ApiError(409, f'Operation cannot be fulfilled on pods "{name}": {said}', "Conflict")
    kept = {
        key: before["metadata"][key] for key in ("name", "namespace", "uid", "creationTimestamp", "resourceVersion")
    }
    changed = {**after, "metadata": {**meta, **kept}, "status": before["status"]}
    validate(changed)

    def fixed(spec: Object) -> Object:
        images = [{**one, "image": ""} for one in spec["containers"]]
        return {**{key: value for key, value in spec.items() if key not in CHANGEABLE}, "containers": images}

    if fixed(before["spec"]) != fixed(after["spec"]):
        what = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`"
        more = "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)"
        raise invalid(name, [("spec", "FieldValueForbidden", f"{what},{more},`spec.terminationGracePeriodSeconds`")])
    return changed


def _names_what_is_there(pod: Object, name: str, where: Namespace, spec: Spec) -> None:
    account, priority = pod["spec"]["serviceAccountName"], pod["spec"].get("priorityClassName", "")
    if account not in where.service_accounts:
        why = f'error looking up service account {where.name}/{account}: serviceaccount "{account}" not found'
        raise forbidden(name, why)
    if priority and priority not in spec.priority_classes:
        raise forbidden(name, f"no PriorityClass with name {priority} was found")


def _within_quotas(pod: Object, name: str, where: Namespace, store: Store) -> None:
    asked = usage_of(pod)
    others = [usage_of(one) for one in store.find("pods", where.name) if not has_ended(one)]
    for quota, hard in where.quotas.items():
        if lacking := [key for key in hard if key not in asked and _is_required(key)]:
            containers = ",".join(one["name"] for one in pod["spec"]["containers"])
            said = "; ".join(f"{key} for: {containers}" for key in sorted(lacking))
            raise forbidden(name, f"failed quota: {quota}: must specify {said}")
        used = {key: sum((one.get(key, Decimal(0)) for one in others), Decimal(0)) for key in hard}
        over = sorted(key for key, limit in hard.items() if used[key] + asked.get(key, Decimal(0)) > amount(limit))
        if over:
            parts = (("requested", asked), ("used", used), ("limited", {key: amount(hard[key]) for key in over}))
            said = ", ".join(
                f"{word}: {','.join(f'{key}={shortest(values[key])}' for key in over)}" for word, values in parts
            )
            raise forbidden(name, f"exceeded quota: {quota}, {said}")


def _is_required(key: str) -> bool:
    """Whether a pod has to say how much it needs, once a quota counts that."""
    return key in COUNTED or key in {f"{kind}.{one}" for kind in ("requests", "limits") for one in ("cpu", "memory")}


def usage_of(pod: Object) -> dict[str, Decimal]:
    """What a pod counts for, in a quota's terms."""
    total = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for container in pod["spec"]["containers"]:
        resources = container.get("resources") or {}
        for kind in ("requests", "limits"):
            for resource, text in (resources.get(kind) or {}).items():
                keys = [f"{kind}.{resource}", *([resource] if kind == "requests" and resource in COUNTED else [])]
                for key in keys:
                    total[key] = total.get(key, Decimal(0)) + amount(text)
    return total
