"""The command lines of kind, kubectl and a container engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from include.stack.docker import StackError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "training"
NODE_IMAGE = "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed"
"""Built for the version of kind below; an older one may not start it."""
OLDEST_KIND = (0, 33)
SECONDS_TO_ANSWER = 60
INSTALL = {
    "kind": "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/#kubectl",
}
ENGINES = ("docker", "podman")


class Programs:
    """The programs that a cluster on this machine needs; what they write about it is in the folder `.cluster`."""

    def __init__(self, project: Path, search_path: str | None = None) -> None:
        self.project = project
        self.state = project / ".cluster"
        self.kubeconfig = self.state / "kubeconfig"
        self._search_path = search_path
        self._engine = ""

    def check(self) -> None:
        """Raise StackError, with one line per program that is missing, too old or not running."""
        missing = [f"{name} is not installed; see {where}" for name, where in INSTALL.items() if not self._path(name)]
        engines = [name for name in ENGINES if self._path(name) and self.call(name, "info").returncode == 0]
        if not engines:
            missing.append("no container engine answers; start Docker's daemon, or install podman")
        if missing:
            raise StackError("\n".join(missing))
        self._engine = engines[0]
        self._check_kind()

    def _check_kind(self) -> None:
        said = self.call("kind", "version").stdout
        found = re.search(r"v(\d+)\.(\d+)", said)
        if found is None or (int(found[1]), int(found[2])) < OLDEST_KIND:
            oldest = ".".join(map(str, OLDEST_KIND))
            raise StackError(f"{said.strip() or 'kind'} is too old: {oldest} or newer is needed; see {INSTALL['kind']}")

    @property
    def engine(self) -> str:
        """`docker` or `podman`, once `check` has found it."""
        return self._engine

    def kind(self, *arguments: str, shown: bool = False) -> subprocess.CompletedProcess[str]:
        """Run kind on the engine that answers; `shown` lets it write to this terminal."""
        provider = ("env", "KIND_EXPERIMENTAL_PROVIDER=podman") if self._engine == "podman" else ()
        command = (*provider, self._path("kind") or "kind", *arguments)
        return self.stream(*command) if shown else self._run(command, "", SECONDS_TO_ANSWER)

    def kubectl(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl on the cluster."""
        command = (self._path("kubectl") or "kubectl", "--kubeconfig", str(self.kubeconfig), *arguments)
        return self._run(command, given, SECONDS_TO_ANSWER)

    def kubectl_command(self, *arguments: str) -> list[str]:
        """Return the command line of kubectl, for a process that goes on."""
        return [self._path("kubectl") or "kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]

    def get(self, namespace: str, *kinds: str) -> list[dict[str, Any]]:
        """Return the objects of a namespace. Raises StackError, with kubectl's last line."""
        said = self.must("cannot be read", "--namespace", namespace, "get", ",".join(kinds), "--output", "json")
        items: list[dict[str, Any]] = json.loads(said)["items"]
        return items

    def must(self, failure: str, *arguments: str, given: str = "") -> str:
        """Return kubectl's output. Raises StackError: what failed, with kubectl's last line."""
        done = self.kubectl(*arguments, given=given)
        if done.returncode:
            raise StackError(f"the cluster {NAME} {failure}: {last_line(done.stderr)}")
        return done.stdout

    def call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run((self._path(program) or program, *arguments), "", SECONDS_TO_ANSWER)

    def run_engine(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the container engine with this terminal's output."""
        return self.stream(self._path(self._engine) or self._engine, *arguments)

    def stream(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command with this terminal's output."""
        return subprocess.run(command, cwd=self.project, check=False, text=True)  # noqa: S603

    def _path(self, name: str) -> str | None:
        return shutil.which(name, path=self._search_path)

    def _run(self, command: tuple[str, ...], given: str, seconds: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603
                command, cwd=self.project, input=given, capture_output=True, text=True, check=False, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            program = " ".join(command[:1]).rpartition("/")[2]
            raise StackError(f"{program} did not answer within {seconds:g} s; see whether its daemon runs") from None


def last_line(text: str) -> str:
    """Return a program's last word, for a message."""
    return (text.strip().splitlines() or ["no reason given"])[-1]
