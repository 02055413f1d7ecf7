"""A real Redis on loopback, in a temporary folder."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

USER, PASSWORD = "trainer", "kept-from-logs"
PATIENCE_SECONDS = 60


class RedisServer:
    """A server that can be stopped and started; what it held is gone then. It asks for a login."""

    def __init__(self, program: str, home: Path) -> None:
        self._program, self._home = program, home
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        rules = home / "users.acl"
        rules.write_text(
            f"user {USER} on >{PASSWORD} ~* +@all\nuser reader on >{PASSWORD} ~* +@read\nuser default off\n"
        )

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.address, username=USER, password=PASSWORD)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *options, "--aclfile", str(self._home / "users.acl"), "--dir", str(self._home)],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self.client().ping()
            except redis.exceptions.ConnectionError:
                assert time.monotonic() < end, (self._home / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Kill the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    @property
    def is_running(self) -> bool:
        return self._process is not None


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no Redis: `redis-server` is not on PATH")
    home = Path(tempfile.mkdtemp(prefix="redis-"))
    server = RedisServer(program, home)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def redis_server(running_redis: RedisServer) -> Iterator[RedisServer]:
    """A running Redis server that holds nothing."""
    running_redis.client().flushall()
    yield running_redis
    if not running_redis.is_running:
        running_redis.start()
