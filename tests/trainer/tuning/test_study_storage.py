"""Where studies are kept: a real PostgreSQL that many processes come to at once, and that goes away."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from tests.postgres import PASSWORD, Postgres
from trainer.errors import ConfigurationError, OutageError
from trainer.run.outages import outage_explained
from trainer.tuning.study_storage import TABLES_LOCK, open_storage

OPEN_AT = """
import sys, time
import optuna
from trainer.tuning.study_storage import open_storage
optuna.logging.set_verbosity(optuna.logging.WARNING)
address, name, when = sys.argv[1:]
time.sleep(max(0.0, float(when) - time.time()))
study = optuna.create_study(study_name=name, storage=open_storage(address, name), load_if_exists=True)
study.tell(study.ask(), 1.0)
"""
START_SECONDS = 8
"""What five processes need to import Optuna on two cores."""


def loaded(address: str, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_storage(address, name))


def test_tables_are_made_once_where_many_find_none(postgres_database: str) -> None:
    when = str(time.time() + START_SECONDS)
    names = ["trees-1", "trees-1", "forest-1", "forest-1", "forest-1"]
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning", "-c", OPEN_AT, postgres_database, name, when],
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    assert {(process.communicate()[1][-800:], process.returncode) for process in started} == {("", 0)}
    assert [len(loaded(postgres_database, name).trials) for name in ("trees-1", "forest-1")] == [2, 3]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_driver_is_the_one_that_is_installed(postgres_database: str, scheme: str) -> None:
    storage = open_storage(postgres_database.replace("postgresql", scheme, 1), "s")
    assert isinstance(storage, optuna.storages.RDBStorage)
    assert storage.engine.dialect.driver == "psycopg2"
    storage.engine.dispose()


def test_a_machine_that_is_gone_holds_no_lock_for_long(postgres_database: str) -> None:
    storage = open_storage(f"{postgres_database}?connect_timeout=3", "s")
    assert isinstance(storage, optuna.storages.RDBStorage)
    with storage.engine.connect() as connection:
        said = [
            connection.execute(sqlalchemy.text(f"SHOW {name}")).scalar()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout", "application_name")
        ]
    assert said == ["30s", "1min", "trainer"]
    storage.engine.dispose()


def test_tables_that_are_there_are_not_waited_for(postgres_database: str) -> None:
    first = open_storage(postgres_database, "s")
    assert isinstance(first, optuna.storages.RDBStorage)
    with first.engine.begin() as connection:
        connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": TABLES_LOCK})
        began = time.monotonic()
        second = open_storage(postgres_database, "s")
        assert time.monotonic() - began < 20
    for storage in (first, second):
        assert isinstance(storage, optuna.storages.RDBStorage)
        storage.engine.dispose()


def test_a_connection_that_died_between_two_trials_is_replaced(postgres: Postgres, postgres_database: str) -> None:
    name = "s"
    study = optuna.create_study(study_name=name, storage=open_storage(postgres_database, name))
    study.tell(study.ask(), 1.0)
    postgres.stop()
    postgres.start()
    study.tell(study.ask(), 2.0)
    assert [trial.value for trial in loaded(postgres_database, name).trials] == [1.0, 2.0]


@pytest.mark.parametrize("when", ["at the beginning", "in a trial"])
def test_a_server_that_is_away_is_an_outage_that_a_retry_can_mend(
    postgres: Postgres, postgres_database: str, when: str
) -> None:
    study = optuna.create_study(study_name="s", storage=open_storage(postgres_database, "s"))
    trial = study.ask()
    postgres.stop()
    with pytest.raises((optuna.exceptions.StorageInternalError, sqlalchemy.exc.OperationalError)) as raised:
        study.tell(trial, 1.0) if when == "in a trial" else open_storage(postgres_database, "s")
    told = outage_explained(raised.value, "/runs")
    assert isinstance(told, OutageError)
    assert told.retry_can_help
    assert "a database does not answer" in str(told)
    assert "Connection refused" in str(told)


def test_a_wrong_password_is_not_repeated(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD")
    address = postgres_database.replace("://", "://trainer:no-such-password@")
    with pytest.raises(sqlalchemy.exc.OperationalError, match="password authentication failed") as raised:
        open_storage(address, "s")
    told = str(outage_explained(raised.value, "/runs"))
    assert "password authentication failed" in told
    assert "no-such-password" not in str(raised.value) + told
    assert PASSWORD not in told


@pytest.mark.parametrize("address", ["no address p4ssword", "postgresql://u:p4ssword@h:x/db"], ids=["none", "port"])
def test_what_is_no_address_is_said_without_repeating_it(address: str) -> None:
    with pytest.raises(ConfigurationError, match="TRAINER_STUDY_STORAGE is no address; write it like") as raised:
        open_storage(address, "s")
    assert "p4ssword" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_what_one_worker_tears_the_next_to_write_mends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    address = f"journal://{tmp_path}"
    one = optuna.create_study(study_name="s", storage=open_storage(address, "s"))
    other = loaded(address, "s")
    one.tell(one.ask(), 1.0)
    with (tmp_path / "s.journal").open("ab") as journal:
        journal.write(b'{"op_code":6,"worker_')
    with caplog.at_level(logging.WARNING, logger="trainer"):
        other.tell(other.ask(), 2.0)
    assert caplog.text.count("s.journal: 21 bytes of an unfinished record are cut off") == 1
    assert [trial.value for trial in loaded(address, "s").trials] == [1.0, 2.0]
