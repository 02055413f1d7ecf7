"""Confine this process, so that a model which is loaded in it can neither read secrets nor change a run.

Landlock (Linux 5.13) limits files: the model and the libraries can be read, the scratch folder can be written. A
seccomp filter refuses sockets, other processes' memory, and whatever would let a child outlive its process group. Both
are irrevocable and inherited, and neither needs a privilege. Imports only the standard library: a script that has no
package on its path uses this file too.

Sources: https://docs.kernel.org/userspace-api/landlock.html and https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
import sysconfig
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LIBC = ctypes.CDLL(None, use_errno=True)

# Landlock: system calls, and rights by the ABI that introduced them.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_FIRST_WITH_TRUNCATE, _FIRST_WITH_NETWORK, _FIRST_WITH_IOCTL, _FIRST_WITH_SCOPES = 3, 4, 5, 6
_TCP, _ABSTRACT_SOCKETS_AND_SIGNALS = 0b11, 0b11
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = _READ_FILE | _READ_DIR | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_SYSTEM = (
    "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime",
    "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
    "/proc/sys/vm", "/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage",
)  # fmt: skip
"""What the interpreter and numerical libraries look at; none of it holds a secret."""

# seccomp: the architectures of the images, and the numbers of what is refused on each.
_SET_NO_NEW_PRIVILEGES, _SET_DUMPABLE, _SET_SECCOMP, _FILTER = 38, 4, 22, 2
_ACTION_AVAILABLE = 2
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_REFUSED = {
    "x86_64": {
        "socket": 41, "setpgid": 109, "setsid": 112, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
        "io_uring_setup": 425, "pidfd_getfd": 438, "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321,
        "userfaultfd": 323, "perf_event_open": 298, "mount": 165, "umount2": 166, "unshare": 272, "setns": 308,
        "open_by_handle_at": 304, "kcmp": 312, "shmget": 29, "msgget": 68, "semget": 64, "mq_open": 240,
        "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93, "lchown": 94,
        "fchownat": 260, "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280, "setxattr": 188,
        "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
        "setxattrat": 463, "removexattrat": 466, "setpriority": 141, "ioprio_set": 251, "inotify_init": 253,
        "inotify_init1": 294, "fanotify_init": 300,
    },
    "aarch64": {
        "socket": 198, "setpgid": 154, "setsid": 157, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
        "io_uring_setup": 425, "pidfd_getfd": 438, "add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280,
        "userfaultfd": 282, "perf_event_open": 241, "mount": 40, "umount2": 39, "unshare": 97, "setns": 268,
        "open_by_handle_at": 265, "kcmp": 272, "shmget": 194, "msgget": 186, "semget": 190, "mq_open": 180,
        "fchmod": 52, "fchmodat": 53, "fchmodat2": 452, "fchown": 55, "fchownat": 54, "utimensat": 88, "setxattr": 5,
        "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, "setxattrat": 463,
        "removexattrat": 466, "setpriority": 140, "ioprio_set": 30, "inotify_init1": 26, "fanotify_init": 262,
    },
}  # fmt: skip
_OF_OTHERS = {
    "x86_64": {
        "prlimit64": 302,
        "sched_setaffinity": 203,
        "sched_setscheduler": 144,
        "sched_setparam": 142,
        "sched_setattr": 314,
    },
    "aarch64": {
        "prlimit64": 261,
        "sched_setaffinity": 122,
        "sched_setscheduler": 119,
        "sched_setparam": 118,
        "sched_setattr": 274,
    },
}
"""Allowed for the caller itself, whose number is 0 there, and refused for any other process."""
_SIGNALS = {
    "x86_64": {"kill": 62, "tkill": 200, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424},
    "aarch64": {"kill": 129, "tkill": 130, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "pidfd_send_signal": 424},
}
"""Refused where Landlock cannot keep signals inside; `tgkill`, by which a process aborts, only reaches itself then."""
_TGKILL = {"x86_64": 234, "aarch64": 131}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


class Confinement(NamedTuple):
    """What this kernel, and the container that this process runs in, offer."""

    landlock: int
    """Landlock's ABI; 0: there is none."""
    seccomp: bool

    @property
    def is_complete(self) -> bool:
        """Whether a confined process can neither reach the network nor change or truncate a file outside."""
        return self.seccomp and self.landlock >= _FIRST_WITH_TRUNCATE


def available() -> Confinement:
    """Ask the kernel what it offers, without changing anything."""
    abi = int(_LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION))
    action = ctypes.c_uint32(_ERRNO)
    number = _SECCOMP.get(platform.machine())
    has_filter = number is not None and _LIBC.syscall(number, _ACTION_AVAILABLE, 0, ctypes.byref(action)) == 0
    return Confinement(max(abi, 0), has_filter)


def hide_from_proc() -> None:
    """Hide this process's memory and environment from others of the same user, in /proc and by ptrace."""
    _checked(_LIBC.prctl(_SET_DUMPABLE, 0, 0, 0, 0), "prctl")


def confine(offered: Confinement, readable: Iterable[str], scratch: str) -> None:
    """Confine this thread and whatever it starts, for ever, with what is offered.

    :param readable: files and folders that may be read, beside Python and its libraries
    :param scratch: the folder that may be written

    Raises OSError if the kernel refuses what it has offered.
    """
    _checked(_LIBC.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    if offered.landlock:
        _limit_files(offered.landlock, readable, scratch)
    if offered.seccomp:
        _limit_calls(keeps_signals=offered.landlock >= _FIRST_WITH_SCOPES)


def _limit_files(abi: int, readable: Iterable[str], scratch: str) -> None:
    handled = _handled(abi)
    fields = [handled, *([_TCP] if abi >= _FIRST_WITH_NETWORK else [])]
    fields += [_ABSTRACT_SOCKETS_AND_SIGNALS] if abi >= _FIRST_WITH_SCOPES else []
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _checked(
        _LIBC.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0), "landlock_create_ruleset"
    )
    try:
        for path in (*_SYSTEM, *_python(), *readable):
            _allow(ruleset, path, _READ & handled)
        for path in _DEVICES:
            _allow(ruleset, path, (_READ_FILE | _WRITE_FILE) & handled)
        _allow(ruleset, scratch, _WRITE & handled)
        _checked(_LIBC.syscall(_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)


def _handled(abi: int) -> int:
    """All rights that an ABI knows: what is handled and not allowed is refused."""
    highest = 12 + (abi >= 2) + (abi >= _FIRST_WITH_TRUNCATE) + (abi >= _FIRST_WITH_IOCTL)  # noqa: PLR2004  (REFER came with 2)
    return (1 << (highest + 1)) - 1


def _python() -> set[str]:
    """Where this interpreter and its libraries lie."""
    return {sys.prefix, sys.base_prefix, *(path for path in sys.path if path), *sysconfig.get_paths().values()}


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Allow rights on a file, or on all below a folder; a path that is not there needs none."""
    try:
        number = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rights &= ~0 if os.path.isdir(path) else _OF_FILES  # noqa: PTH112  (pathlib would follow to the same place)
        rule = struct.pack("=Qi", rights, number)
        _checked(_LIBC.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), f"landlock_add_rule for {path}")
    finally:
        os.close(number)


def _limit_calls(*, keeps_signals: bool) -> None:
    machine = platform.machine()
    program = b"".join(_program(machine, keeps_signals=keeps_signals))
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(instructions))
    _checked(_LIBC.prctl(_SET_SECCOMP, _FILTER, described, 0, 0), "prctl(PR_SET_SECCOMP)")


def _program(machine: str, *, keeps_signals: bool) -> Iterator[bytes]:
    """The filter, one instruction after the other: of another architecture kill, of what is refused return EPERM."""
    refuse = _instruction(_RETURN, _ERRNO | errno.EPERM)
    yield _instruction(_LOAD, _ARCHITECTURE)
    yield _instruction(_EQUAL, _AUDIT[machine], if_true=1)
    yield _instruction(_RETURN, _KILL)
    yield _instruction(_LOAD, _NUMBER)
    if machine == "x86_64":  # the same calls under other numbers
        yield _instruction(_AT_LEAST, _X32, if_false=1)
        yield refuse
    for number in (*_REFUSED[machine].values(), *(() if keeps_signals else _SIGNALS[machine].values())):
        yield _instruction(_EQUAL, number, if_false=1)
        yield refuse
    for number in _OF_OTHERS[machine].values():
        yield _instruction(_EQUAL, number, if_false=4)
        yield _instruction(_LOAD, _FIRST_ARGUMENT)
        yield _instruction(_EQUAL, 0, if_false=1)
        yield _instruction(_RETURN, _ALLOW)
        yield refuse
    if not keeps_signals:
        yield _instruction(_EQUAL, _TGKILL[machine], if_false=3)
        yield _instruction(_LOAD, _FIRST_ARGUMENT)
        yield _instruction(_EQUAL, os.getpid(), if_true=1)
        yield refuse
    yield _instruction(_RETURN, _ALLOW)


def _instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction of a BPF program; the jumps count instructions to skip."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
