"""Starts one container's process: in namespaces and a file system of its own, with no rights. Run by itself, as root.

Its arguments are two file descriptors; it reads what to do from the first and says on the second what became of it.
Where a fork server runs it, the container's process is a fork too, which has the libraries already.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
GIVEN, SAID = "LAUNCHER_GIVEN", "LAUNCHER_SAID"
"""The variables by which a fork gets its two descriptors."""
_LIBC = ctypes.CDLL(None, use_errno=True)


def main(given: int, said: int) -> int:
    """Start the process, wait for it, and say how it ended."""
    with os.fdopen(given, encoding="utf-8") as file:
        asked = json.load(file)
    os.set_inheritable(said, False)
    _checked(_LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    _checked(_LIBC.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID), "unshare")
    problem, tell = os.pipe()  # closed by a successful exec
    child = os.fork()
    if not child:
        _become(asked, tell)
    os.close(tell)
    with os.fdopen(problem) as file:
        error = file.read()
    _say(said, **({"error": error} if error else {"pid": child}))
    _, status = os.waitpid(child, 0)
    _say(said, exit=128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
    return 0


def _become(asked: dict[str, Any], tell: int) -> None:
    """In the child, which is process 1 of its namespace: never returns."""
    try:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        _root(asked)
        os.umask(0o022)
        os.chdir(asked["directory"])
        for right in range(
            64
        ):  # a root user of the image has no rights either; the kernel knows fewer, which is no error
            _LIBC.prctl(PR_CAPBSET_DROP, right, 0, 0, 0)
        os.setgroups([])
        os.setresgid(asked["user"], asked["user"], asked["user"])
        os.setresuid(asked["user"], asked["user"], asked["user"])
        _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if asked["forked"]:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.close(tell)
            _run_here(asked)
        os.execvpe(asked["command"][0], asked["command"], asked["env"])  # noqa: S606
    except BaseException as error:  # noqa: BLE001  (whatever it is, the parent must hear of it)
        os.write(tell, f"{type(error).__name__}: {error}".encode())
    os._exit(127)


def _run_here(asked: dict[str, Any]) -> NoReturn:
    """Run the command as this process, in place of executing an interpreter."""
    from trainer.process.fork_server import exit_process, run_command

    code = 1
    try:
        os.environ.clear()
        os.environ.update(asked["env"])
        code = run_command(asked["command"][1:])
    except BaseException:  # noqa: BLE001  (as the interpreter does)
        traceback.print_exc()
    finally:
        exit_process(code)


def _root(asked: dict[str, Any]) -> None:
    """This machine's files as the image, changes in memory; the pod's volumes over them; then nothing else is seen."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    stage = Path(asked["stage"])
    _mount("tmpfs", stage, "tmpfs", 0, "mode=755")
    upper, work, root = stage / "upper", stage / "work", stage / "root"
    for folder in (upper, work, root):
        folder.mkdir()
    _mount("overlay", root, "overlay", 0, f"lowerdir=/,upperdir={upper},workdir={work}")
    for path in asked["passable"]:  # a folder of root's own on the way to the interpreter
        (root / path.lstrip("/")).chmod(0o755)
    if asked["passwd"]:
        with (root / "etc/passwd").open("a", encoding="utf-8") as file:
            file.write(f"trainer:x:{asked['user']}:{asked['user']}::/tmp:/sbin/nologin\n")
    if asked["hosts"]:
        with (root / "etc/hosts").open("a", encoding="utf-8") as file:
            file.write(f"127.0.0.1 {' '.join(asked['hosts'])}\n")
    for source in ("/dev", "/sys", *asked["machine"]):
        _mount(source, _at(root, source), None, MS_BIND | MS_REC)
    _mount("proc", root / "proc", "proc", MS_NOSUID | MS_NODEV)
    _mount("shm", root / "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=1777")
    for target, source in asked["volumes"]:
        _volume(root, target, source)
    for path in asked["shared"]:
        _mount(path, _at(root, path), None, MS_BIND)
    if asked["read_only"]:
        _mount(None, root, None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    os.chroot(root)
    os.chdir("/")


def _volume(root: Path, target: str, source: dict[str, Any]) -> None:
    if "bytes" in source:
        options = f"mode=1777,size={source['bytes']}" if source["bytes"] else "mode=1777"
        _mount("tmpfs", _at(root, target), "tmpfs", MS_NOSUID | MS_NODEV, options)
        return
    _mount(source["path"], _at(root, target), None, MS_BIND)
    if source["read_only"]:
        _mount(None, _at(root, target), None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def _at(root: Path, path: str) -> Path:
    """A mount point for a path, made where the image lacks it."""
    found = root / path.lstrip("/")
    found.mkdir(parents=True, exist_ok=True)
    return found


def _mount(source: str | None, target: str | Path, kind: str | None, flags: int, options: str = "") -> None:
    given = [None if text is None else str(text).encode() for text in (source, target, kind)]
    _checked(_LIBC.mount(*given, ctypes.c_ulong(flags), options.encode() or None), f"mount {source} at {target}")


def _checked(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _say(where: int, **said: Any) -> None:
    os.write(where, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:] or (os.environ[GIVEN], os.environ[SAID]))))
