"""Where studies are kept: a journal file for each on one machine, a database where many machines share them."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.addresses import with_driver
from trainer.errors import ConfigurationError
from trainer.sources.postgres.server import CONNECTION

if TYPE_CHECKING:
    import optuna
    import sqlalchemy

logger = logging.getLogger(__name__)

JOURNAL = "journal://"
DIGEST_DIGITS = 12
"""Of the digest at the end of a study's name."""
LOCK_GRACE_SECONDS = 5
"""After a kill a lock can stay behind; it is taken over when its holder has been silent for so long."""
ENGINE = {"pool_pre_ping": True, "pool_size": 1, "max_overflow": 2}
"""A step uses a connection at a time, and a server has few; one that has died between two trials is replaced."""
SESSION = {"idle_in_transaction_session_timeout": "30s", "lock_timeout": "60s"}
"""The server's: a process that is frozen, or whose machine is gone, must not hold a study's lock for hours."""
TABLES_LOCK = 0x0_7261_696E_6572
"""The number of the lock under which Optuna's tables are made; any, as long as all processes agree on it."""
HAS_TABLES = "SELECT to_regclass('alembic_version') IS NOT NULL AND to_regclass('version_info') IS NOT NULL"
"""Whether Optuna has made all its tables: the first of these is the last that it makes, in one go with its only row."""


def open_storage(address: str, name: str) -> optuna.storages.BaseStorage:
    """The storage at an address, its tables made where they are missing; `name` is the study's.

    Raises ConfigurationError for an address that is missing or none, and SQLAlchemy's errors for a database that does
    not answer.
    """
    if not address:
        raise ConfigurationError("TRAINER_STUDY_STORAGE is not set: tuning keeps its trials there")
    if address.startswith(JOURNAL):
        return _journal(Path(address.removeprefix(JOURNAL)).absolute(), name)
    return _database(_parsed(address))


def remove_journals(run_key: str, storage: str) -> None:
    """Remove the journals of a run's studies, with what a kill left of their locks; a database keeps its studies."""
    if not storage.startswith(JOURNAL):
        logger.info("run %s: its studies stay in their database", run_key)
        return
    name = re.compile(rf"{re.escape(run_key)}-[a-z][a-z0-9_]*-[0-9a-f]{{{DIGEST_DIGITS}}}\.journal(\..+)?")
    folder = Path(storage.removeprefix(JOURNAL)).absolute()
    for file in folder.iterdir() if folder.is_dir() else ():
        if name.fullmatch(file.name):
            file.unlink()


def _parsed(address: str) -> sqlalchemy.URL:
    import sqlalchemy

    try:
        return sqlalchemy.make_url(with_driver(address))
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # Neither the address nor its error is repeated: there may be a password in them.
        raise ConfigurationError(
            "TRAINER_STUDY_STORAGE is no address; write it like journal:///folder or postgresql://host:5432/database"
        ) from None


def _database(url: sqlalchemy.URL) -> optuna.storages.BaseStorage:
    import optuna

    if url.get_backend_name() == "postgresql":
        return _postgresql(url)
    return optuna.storages.RDBStorage(url.render_as_string(hide_password=False))


def _postgresql(url: sqlalchemy.URL) -> optuna.storages.BaseStorage:
    """A storage in PostgreSQL. Only one process at a time makes tables: Optuna looks for them and then creates them.

    The lock belongs to a transaction and not to a session, which a connection pooler in between may share.
    """
    import optuna
    import sqlalchemy

    own = {key: value for key, value in CONNECTION.items() if key not in url.query}
    address = url.render_as_string(hide_password=False)
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, connect_args=own)
    with engine.begin() as connection:
        if not connection.scalar(sqlalchemy.text(HAS_TABLES)):
            for name, value in SESSION.items():
                connection.execute(sqlalchemy.text(f"SET LOCAL {name} = '{value}'"))
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": TABLES_LOCK})
        storage = optuna.storages.RDBStorage(address, engine_kwargs={**ENGINE, "connect_args": own})
    storage.engine.dispose()  # what it has connected so far has not been told what follows
    sqlalchemy.event.listen(storage.engine, "connect", _settle_session)
    return storage


def _settle_session(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        for name, value in SESSION.items():
            cursor.execute(f"SET {name} = '{value}'")
    connection.commit()


def _journal(folder: Path, name: str) -> optuna.storages.BaseStorage:
    """A journal file in a folder, which is absolute: a lock is a link to the journal, else never taken over."""
    import optuna

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.journal"
    own = optuna.storages.journal.JournalFileSymlinkLock(str(file), grace_period=LOCK_GRACE_SECONDS)
    lock = _MendingLock(file, own)
    if _is_torn(file):
        lock.acquire()
        lock.release()
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(file), lock_obj=lock))


class _MendingLock:
    """A journal's lock; who gets it finds a whole journal.

    A full disk can tear the last line of any of the workers, and Optuna would write on behind it.
    """

    def __init__(self, journal: Path, lock: optuna.storages.journal.BaseJournalFileLock) -> None:
        self._journal = journal
        self._lock = lock

    def acquire(self) -> bool:
        taken = bool(self._lock.acquire())
        if _is_torn(self._journal):
            _cut_torn_end(self._journal)
        return taken

    def release(self) -> None:
        self._lock.release()


def _is_torn(journal: Path) -> bool:
    """Whether the last line of a journal has no end; it may be that another worker is just writing it."""
    if not journal.exists() or not journal.stat().st_size:
        return False
    with journal.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _cut_torn_end(journal: Path) -> None:
    whole = journal.read_bytes().rfind(b"\n") + 1
    torn = journal.stat().st_size - whole
    logger.warning("%s: %d bytes of an unfinished record are cut off", journal, torn)
    os.truncate(journal, whole)
