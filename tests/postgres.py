"""A real PostgreSQL on loopback, in a temporary folder."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from tests.server import free_port, wait_for

USER, PASSWORD = "trainer", "kept-from-logs"
SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "unix_socket_directories=",
    "shared_buffers=16MB",
)
PATIENCE_SECONDS = 60
_numbers = itertools.count(1)


class Postgres:
    """A server that can be stopped and started; its user and password come from PGUSER and PGPASSWORD, as in a pod."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._programs = programs
        self._data = home / "data"
        self._log = home / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._make(home)

    def _make(self, home: Path) -> None:
        """An empty cluster; the server refuses to run as root, so it all belongs to its own user then."""
        password = home / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user is not None:
            home.chmod(0o711)
            owner = pwd.getpwnam(self._user)
            for path in (home, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        arguments = ["-D", str(self._data), "-U", USER, "-A", "scram-sha-256", "--pwfile", str(password)]
        command = [str(self._programs / "initdb"), *arguments, "--encoding=UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(command, user=self._user, cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = [part for setting in SETTINGS for part in ("-c", setting)]
        address = ["-h", "127.0.0.1", "-p", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *address, *settings],
                user=self._user, cwd=self._data, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(self._answers, self._process, self._log)

    def stop(self) -> None:
        """Stop the server at once, cutting off all that are connected."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def create_database(self) -> str:
        """An empty database; returns its address, which has neither user nor password in it."""
        name = f"studies_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        return f"postgresql://127.0.0.1:{self.port}/{name}"

    def _answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except sqlalchemy.exc.OperationalError:
            return False
        return True

    def _execute(self, statement: str) -> None:
        url = sqlalchemy.URL.create("postgresql+psycopg2", USER, PASSWORD, "127.0.0.1", self.port, "postgres")
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(statement))


def _programs() -> Path | None:
    """Where `initdb` and `postgres` are, the newest first."""
    found = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server."""
    programs = _programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL: `initdb` and `postgres` are neither on PATH nor in /usr/lib/postgresql")
    home = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = Postgres(programs, home)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def postgres_database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty database, and its login in the environment."""
    monkeypatch.setenv("PGUSER", USER)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    yield postgres.create_database()
    if not postgres.is_running:
        postgres.start()
