"""A real PostgreSQL on loopback, in a temporary folder."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

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
    "jit=off",  # compiling the wide queries of Airflow takes longer than running them
)
PATIENCE_SECONDS = 60
LOCK = 7
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

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[Self]:
        """A server that runs for as long as the block; without the programs, the test is skipped."""
        folder = _programs()
        if folder is None:
            pytest.skip(
                "there is no PostgreSQL: `initdb` and `postgres` are neither on PATH nor in /usr/lib/postgresql"
            )
        home = Path(tempfile.mkdtemp(prefix="postgres-"))
        server = cls(folder, home)
        server.start()
        try:
            yield server
        finally:
            server.stop()
            shutil.rmtree(home, ignore_errors=True)

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
        self.wait_until_it_answers()

    def stop(self) -> None:
        """Stop the server at once, cutting off all that are connected."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    @property
    def log(self) -> str:
        """What the server has logged."""
        return self._log.read_text(encoding="utf-8")

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def create_database(self) -> str:
        """An empty database; returns its address, which has neither user nor password in it."""
        name = f"studies_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql://127.0.0.1:{self.port}/{name}"

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except sqlalchemy.exc.OperationalError:
            return False
        return True

    def url(self, database: str) -> sqlalchemy.URL:
        return sqlalchemy.URL.create("postgresql+psycopg2", USER, PASSWORD, "127.0.0.1", self.port, database)

    def wait_until_it_answers(self) -> None:
        assert self._process is not None
        wait_for(self._answers, self._process, self._log)

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement, as it stands; returns the rows that it gives."""
        engine = sqlalchemy.create_engine(
            self.url(database), isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
        )
        with engine.connect() as connection:
            done = connection.exec_driver_sql(statement)
            return list(done.all()) if done.returns_rows else []


@dataclass(frozen=True)
class Warehouse:
    """A database with rows to learn from, which is reached by the connection `warehouse`."""

    server: Postgres
    database: str

    def execute(self, statement: str) -> list[Any]:
        return self.server.execute(statement, self.database)

    def uri(self, user: str = USER, password: str = PASSWORD, **changes: Any) -> str:
        """The connection as Airflow writes it."""
        where = {"host": "127.0.0.1", "port": self.server.port, "database": self.database, **changes}
        return (
            f"postgres://{quote(user)}:{quote(password, safe='')}@{where['host']}:{where['port']}/{where['database']}"
        )

    def empty(self) -> None:
        """Leave nothing in it; making a database takes longer."""
        for (name,) in self.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'"):
            self.execute(f'DROP SCHEMA "{name}" CASCADE')
        self.execute("CREATE SCHEMA public")
        self.execute("GRANT ALL ON SCHEMA public TO PUBLIC")

    def fill(self) -> None:
        """The table `many`, of more than one batch, and the view `held` of it, which stops to give rows near its end."""
        self.execute(
            "CREATE TABLE many AS SELECT n, repeat(md5(n::text), 8) AS filler FROM generate_series(1, 100000) n"
        )
        stop = f"CASE WHEN n = 90000 THEN pg_advisory_xact_lock_shared({LOCK})::text END AS stop"
        self.execute(f"CREATE VIEW held AS SELECT n, filler, {stop} FROM many")  # noqa: S608

    @contextlib.contextmanager
    def in_the_middle(self, act: Callable[[int], Any]) -> Iterator[None]:
        """While the block reads `held`, do something in the middle: `act` gets the number of the server's process."""
        url = self.server.url(self.database)
        engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
        with engine.connect() as holder, ThreadPoolExecutor(1) as pool:
            holder.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
            acted = pool.submit(self._act_once_it_waits, holder, act)
            yield
            acted.result()

    def _act_once_it_waits(self, holder: sqlalchemy.Connection, act: Callable[[int], Any]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not (waiting := self.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")):
            assert time.monotonic() < end
            time.sleep(0.05)
        act(waiting[0][0])
        with contextlib.suppress(sqlalchemy.exc.OperationalError):  # the server may be gone by now
            holder.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")


def _programs() -> Path | None:
    """Where `initdb` and `postgres` are, the newest first."""
    found = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL server."""
    with Postgres.running() as server:
        yield server


@pytest.fixture
def postgres_database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty database, and its login in the environment."""
    monkeypatch.setenv("PGUSER", USER)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    yield postgres.create_database()
    if not postgres.is_running:
        postgres.start()


@pytest.fixture
def warehouse(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """An empty database, and the connection `warehouse` to it in the environment; libpq's own variables lead nowhere."""
    if not postgres.execute("SELECT FROM pg_database WHERE datname = 'warehouse'"):
        postgres.execute("CREATE DATABASE warehouse")
    made = Warehouse(postgres, "warehouse")
    for variable in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"):
        monkeypatch.setenv(variable, "9")
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", made.uri())
    yield made
    if not postgres.is_running:
        postgres.start()
    postgres.wait_until_it_answers()
    made.empty()
