"""The Pod Security Standards, baseline and restricted: what of them a pod violates, in the words of the admission plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.kubernetes.states import containers_of
from tests.kubernetes.store import Object

Containers = list[Object]
ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(spec: Object, level: str) -> list[str]:
    """What a pod's specification violates at a level, each in the plugin's words and order."""
    containers = [container for _, container in containers_of(spec)]
    checks = [*BASELINE, *(RESTRICTED if level == "restricted" else BASELINE_ONLY)]
    return [found for check in checks for found in [check(spec, containers)] if found]


def _named(containers: Iterable[Object]) -> str:
    names = [f'"{container["name"]}"' for container in containers]
    return f"container{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _must(containers: Containers, test: Callable[[Object], Any], title: str, text: str) -> str:
    bad = [container for container in containers if test(container.get("securityContext") or {})]
    return f"{title} ({_named(bad)} must {text})" if bad else ""


def _app_armor(spec: Object, containers: Containers) -> str:
    holders = [("pod", spec)] + [(_named([container]), container) for container in containers]
    bad = [name for name, holder in holders
           if ((holder.get("securityContext") or {}).get("appArmorProfile") or {}).get("type") == "Unconfined"]  # fmt: skip
    return (
        f'forbidden AppArmor profile ({" and ".join(bad)} must not set AppArmor profile type to "Unconfined")'
        if bad
        else ""
    )


def _host_namespaces(spec: Object, _containers: Containers) -> str:
    bad = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return f"host namespaces ({', '.join(bad)})" if bad else ""


def _host_ports(_spec: Object, containers: Containers) -> str:
    used = {container["name"]: [str(port["hostPort"]) for port in container.get("ports") or [] if port.get("hostPort")]
            for container in containers}  # fmt: skip
    ports = [port for found in used.values() for port in found]
    bad = [container for container in containers if used[container["name"]]]
    return (
        f"hostPort ({_named(bad)} use{'' if len(bad) > 1 else 's'} hostPort{'s' if len(ports) > 1 else ''} {', '.join(ports)})"
        if bad
        else ""
    )


def _privileged(_spec: Object, containers: Containers) -> str:
    return _must(containers, lambda own: own.get("privileged"), "privileged", "not set securityContext.privileged=true")


def _proc_mount(_spec: Object, containers: Containers) -> str:
    bad = [
        own for own in containers if (own.get("securityContext") or {}).get("procMount") not in {None, "", "Default"}
    ]
    kinds = ", ".join(f'"{own["securityContext"]["procMount"]}"' for own in bad)
    return f"procMount ({_named(bad)} must not set securityContext.procMount to {kinds})" if bad else ""


def _se_linux(spec: Object, containers: Containers) -> str:
    options = [(holder.get("securityContext") or {}).get("seLinuxOptions") or {} for holder in (spec, *containers)]
    bad = [one for one in options if one.get("type") not in SELINUX_TYPES or one.get("user") or one.get("role")]
    return "seLinuxOptions (pod or containers set forbidden securityContext.seLinuxOptions)" if bad else ""


def _sysctls(spec: Object, _containers: Containers) -> str:
    names = [one["name"] for one in (spec.get("securityContext") or {}).get("sysctls") or []]
    bad = [name for name in names if name not in SAFE_SYSCTLS]
    return f"forbidden sysctls ({', '.join(bad)})" if bad else ""


def _host_process(spec: Object, containers: Containers) -> str:
    holders = [("pod", spec)] + [(_named([container]), container) for container in containers]
    bad = [name for name, holder in holders
           if ((holder.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")]  # fmt: skip
    return (
        f"hostProcess ({' and '.join(bad)} must not set securityContext.windowsOptions.hostProcess=true)" if bad else ""
    )


def _host_path(spec: Object, _containers: Containers) -> str:
    bad = [f'"{volume["name"]}"' for volume in spec.get("volumes") or [] if volume.get("hostPath") is not None]
    return f"hostPath volumes (volume{'s' if len(bad) > 1 else ''} {', '.join(bad)})" if bad else ""


def _more_capabilities(_spec: Object, containers: Containers) -> str:
    added = _added(containers, BASELINE_CAPABILITIES)
    bad = [container for container in containers if added[container["name"]]]
    return (
        f"non-default capabilities ({_named(bad)} must not include {_quoted(added)} in securityContext.capabilities.add)"
        if bad
        else ""
    )


def _unconfined(spec: Object, containers: Containers) -> str:
    holders = [("pod", spec)] + [(_named([container]), container) for container in containers]
    bad = [name for name, holder in holders if _seccomp(holder) == "Unconfined"]
    return (
        f'seccompProfile ({" and ".join(bad)} must not set securityContext.seccompProfile.type to "Unconfined")'
        if bad
        else ""
    )


def _privilege_escalation(_spec: Object, containers: Containers) -> str:
    return _must(
        containers,
        lambda own: own.get("allowPrivilegeEscalation") is not False,
        "allowPrivilegeEscalation != false",
        "set securityContext.allowPrivilegeEscalation=false",
    )


def _capabilities(_spec: Object, containers: Containers) -> str:
    keep = [one for one in containers if "ALL" not in (_own(one).get("capabilities") or {}).get("drop", [])]
    added = _added(containers, {"NET_BIND_SERVICE"})
    more = [container for container in containers if added[container["name"]]]
    parts = [f'{_named(keep)} must set securityContext.capabilities.drop=["ALL"]'] if keep else []
    parts += [f"{_named(more)} must not include {_quoted(added)} in securityContext.capabilities.add"] if more else []
    return f"unrestricted capabilities ({'; '.join(parts)})" if parts else ""


def _volumes(spec: Object, _containers: Containers) -> str:
    used = [
        (volume["name"], next((kind for kind in volume if kind != "name"), "emptyDir"))
        for volume in spec.get("volumes") or []
    ]
    bad = [(name, kind) for name, kind in used if kind not in ALLOWED_VOLUMES]
    names, kinds = ", ".join(f'"{name}"' for name, _ in bad), ", ".join(sorted({f'"{kind}"' for _, kind in bad}))
    one = len(bad) == 1
    return (
        f"restricted volume types (volume{'' if one else 's'} {names} use{'s' if one else ''} restricted volume type{'' if one else 's'} {kinds})"
        if bad
        else ""
    )


def _non_root(spec: Object, containers: Containers) -> str:
    pod = _own(spec).get("runAsNonRoot")
    wrong = [container for container in containers if _own(container).get("runAsNonRoot") is False]
    unset = [container for container in containers if _own(container).get("runAsNonRoot") is None]
    if wrong:
        return f"runAsNonRoot != true ({_named(wrong)} must not set securityContext.runAsNonRoot=false)"
    if pod is False:
        return "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)"
    return (
        f"runAsNonRoot != true (pod or {_named(unset)} must set securityContext.runAsNonRoot=true)"
        if unset and not pod
        else ""
    )


def _root_user(spec: Object, containers: Containers) -> str:
    bad = [container for container in containers if _own(container).get("runAsUser") == 0]
    pod = ["pod"] if _own(spec).get("runAsUser") == 0 else []
    return (
        f"runAsUser=0 ({' and '.join([*pod, *([_named(bad)] if bad else [])])} must not set runAsUser=0)"
        if bad or pod
        else ""
    )


def _seccomp_set(spec: Object, containers: Containers) -> str:
    fine = {"RuntimeDefault", "Localhost"}
    wrong = [container for container in containers if _seccomp(container) not in {None, *fine}]
    unset = [container for container in containers if _seccomp(container) is None]
    if wrong or _seccomp(spec) not in {None, *fine}:
        return f'seccompProfile ({_named(wrong) if wrong else "pod"} must not set securityContext.seccompProfile.type to "Unconfined")'
    if unset and _seccomp(spec) is None:
        return f'seccompProfile (pod or {_named(unset)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    return ""


def _own(holder: Object) -> Object:
    return holder.get("securityContext") or {}


def _seccomp(holder: Object) -> str | None:
    return (_own(holder).get("seccompProfile") or {}).get("type")


def _added(containers: Containers, allowed: set[str]) -> dict[str, list[str]]:
    return {
        one["name"]: [name for name in (_own(one).get("capabilities") or {}).get("add", []) if name not in allowed]
        for one in containers
    }


def _quoted(added: dict[str, list[str]]) -> str:
    return ", ".join(sorted({f'"{name}"' for names in added.values() for name in names}))


BASELINE = (_app_armor, _host_namespaces, _host_ports, _privileged, _proc_mount, _se_linux, _sysctls, _host_process)
BASELINE_ONLY = (_more_capabilities, _host_path, _unconfined)
"""What the restricted level has in a stricter form."""
RESTRICTED = (_privilege_escalation, _capabilities, _volumes, _non_root, _root_user, _seccomp_set)
