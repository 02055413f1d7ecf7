"""A real Redis on loopback, in a temporary folder."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.server import free_port, wait_for

USER, PASSWORD = "trainer", "kept-from-logs"
PATIENCE_SECONDS = 60


class RedisServer:
    """A server that can be stopped and started; what it held is gone then. It asks for a login."""

    def __init__(self, program: str, home: Path) -> None:
        self._program, self._home = program, home
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        rules = home / "users.acl"
        rules.write_text(
            f"user {USER} on >{PASSWORD} ~* +@all\nuser reader on >{PASSWORD} ~* +@read\nuser default off\n"
        )

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def variables(self) -> dict[str, str]:
        """What a step needs to reach it."""
        return {"TRAINER_FEATURE_STORE": self.address, "REDIS_USERNAME": USER, "REDIS_PASSWORD": PASSWORD}

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.address, username=USER, password=PASSWORD)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        log = self._home / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._program, *options, "--aclfile", str(self._home / "users.acl"), "--dir", str(self._home)],
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_for(self._answers, self._process, log)

    def stop(self) -> None:
        """Kill the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.exceptions.ConnectionError:
            return False


@contextlib.contextmanager
def serve_redis(program: str) -> Iterator[RedisServer]:
    """A running server."""
    with tempfile.TemporaryDirectory(prefix="redis-") as home:
        server = RedisServer(program, Path(home))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no Redis: `redis-server` is not on PATH")
    with serve_redis(program) as server:
        yield server


@pytest.fixture
def redis_server(running_redis: RedisServer) -> Iterator[RedisServer]:
    """A running Redis server that holds nothing."""
    running_redis.client().flushall()
    yield running_redis
    if not running_redis.is_running:
        running_redis.start()
