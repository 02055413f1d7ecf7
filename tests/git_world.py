"""Real git repositories for tests: in a folder, and behind an HTTP server on loopback that may ask for a login."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

CONFIGURED = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
}  # fmt: skip


def git(*arguments: object, cwd: Path) -> str:
    """What a git command prints."""
    environment = {**os.environ, **CONFIGURED}
    command = ["git", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, files: Mapping[str, str]) -> Repository:
        folder.mkdir(parents=True)
        git("init", "--quiet", "--initial-branch=main", cwd=folder)
        repository = cls(folder)
        repository.commit(files)
        return repository

    @property
    def address(self) -> str:
        return f"file://{self.folder}"

    def commit(self, files: Mapping[str, str]) -> str:
        """Write files and commit them; returns the commit."""
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        git("add", "--all", cwd=self.folder)
        git("commit", "--quiet", "--message", "a change", cwd=self.folder)
        return self.head

    @property
    def head(self) -> str:
        return git("rev-parse", "HEAD", cwd=self.folder)


@dataclass
class GitServer:
    """Serves the repositories below a folder by git's own CGI program."""

    root: Path
    login: tuple[str, str] | None = None
    protocol_2: bool = True
    """Without, the server hands out no commit by its digits."""
    status: int | None = None
    """What every request is answered with instead."""
    seconds: float = 0
    """How long it waits before it answers."""
    redirect: str = ""
    """Where every request is sent instead."""
    authorizations: list[str] = field(default_factory=list)
    address: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def repository(self, name: str) -> str:
        return f"{self.address}/{name}"


def http_backend() -> Path:
    """Git's CGI program; the test is skipped where git comes without it."""
    found = Path(git("--exec-path", cwd=Path("/"))) / "git-http-backend"
    if not found.exists():
        pytest.skip("this git has no http-backend")
    return found


class _Handler(BaseHTTPRequestHandler):
    """Answers for one server; a class of its own for each."""

    server_of: ClassVar[GitServer]
    program: ClassVar[Path]

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        server = self.server_of
        server.ended.wait(server.seconds)
        given = self.headers.get("Authorization", "")
        server.authorizations.append(given)
        if server.ended.is_set():
            return
        if server.redirect:
            self._begin(302, {"Location": f"{server.redirect}{self.path}"})
        elif server.status:
            self._begin(server.status, {})
        elif server.login and given != _basic(*server.login):
            self._begin(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._run(body)

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _run(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ, **CONFIGURED, "GIT_PROJECT_ROOT": str(self.server_of.root), "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query, "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") if self.server_of.protocol_2 else "",
        }  # fmt: skip
        done = subprocess.run([self.program], input=body, env=environment, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._begin(int(headers.pop("Status", "200 OK").split()[0]), headers)
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(server: GitServer) -> Iterator[GitServer]:
    """The server's address is set, and it answers for as long as the block lasts."""
    handler = type("Handler", (_Handler,), {"server_of": server, "program": http_backend()})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.address = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        http.shutdown()
        http.server_close()
        thread.join()


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def helpers_of(address: str) -> list[str]:
    """Command lines of processes that talk to an address, for as long as they take to end."""
    for _ in range(20):
        found = [line for line in _command_lines() if address in line and "remote" in line]
        if not found:
            return []
        time.sleep(0.1)
    return found


def _command_lines() -> Iterator[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def without_git(folder: Path) -> str:
    """A PATH on which there is no git."""
    folder.mkdir()
    (folder / "sh").symlink_to(str(shutil.which("sh")))
    return str(folder)
