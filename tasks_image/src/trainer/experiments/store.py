"""Experiments and their units in a database: SQLite on one machine, PostgreSQL where several take part."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Column, Float, MetaData, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects import postgresql, sqlite

from trainer.addresses import with_driver
from trainer.errors import ConfigurationError, OutageError
from trainer.experiments.analysis import Units
from trainer.experiments.records import Experiment
from trainer.sources.postgres.server import CONNECTION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainer.serving.exposures import Exposure

FILE = "experiments.db"
AT_A_TIME = 1000
SECONDS_TO_WAIT = 30
"""For SQLite's lock."""
TABLES_LOCK = 0x0_6578_7065_7269
"""The number of PostgreSQL's lock under which tables are made."""

TABLES = MetaData()
EXPERIMENTS = Table(
    "experiments",
    TABLES,
    Column("name", Text, primary_key=True),
    Column("ended_at", Float(53), nullable=False),
    Column("record", Text, nullable=False),
)
UNITS = Table(
    "experiment_units",
    TABLES,
    Column("experiment", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("first_at", Float(53), nullable=False),
    Column("value", Float(53)),
    Column("recorded_at", Float(53)),
    PrimaryKeyConstraint("experiment", "unit"),
)


def store_address(given: str, serving: str) -> str:
    """Return the address of the database: the one given, or a SQLite file in the folder of the routers.

    Raises ConfigurationError if there is neither.
    """
    kind, _, place = serving.partition("://")
    if given:
        return given
    if kind == "local" and place:
        return f"sqlite:///{Path(place).absolute() / FILE}"
    raise ConfigurationError(
        "experiments need a router on this machine (`serving: local:///folder` in the environment); "
        f"`serving` is {serving!r}"
    )


class ExperimentStore:
    """The experiments in a database; its tables are made where they are missing."""

    def __init__(self, address: str) -> None:
        """Open a database. Raises ConfigurationError if the address cannot be read, OutageError if it is away."""
        try:
            self._url = sqlalchemy.make_url(with_driver(address))
            self._insert: Any = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}[self._url.get_backend_name()]
        except (sqlalchemy.exc.ArgumentError, ValueError, KeyError):
            # Neither the address nor its error is repeated: there may be a password in them.
            raise ConfigurationError(
                "TRAINER_EXPERIMENTS is not an address of a database; write it like postgresql://host:5432/database or "
                "sqlite:////folder/experiments.db"
            ) from None
        self._engine = sqlalchemy.create_engine(
            self._url, poolclass=sqlalchemy.NullPool, connect_args=self._connect_arguments(), hide_parameters=True
        )
        with self._begin() as connection:
            if self._is_postgresql:
                connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": TABLES_LOCK})
            TABLES.create_all(connection)

    @property
    def _is_postgresql(self) -> bool:
        return self._url.get_backend_name() == "postgresql"

    def _connect_arguments(self) -> dict[str, Any]:
        if self._is_postgresql:
            return {key: value for key, value in CONNECTION.items() if key not in self._url.query}
        if self._url.database:
            Path(self._url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return {"timeout": SECONDS_TO_WAIT}

    @contextlib.contextmanager
    def _begin(self) -> Iterator[sqlalchemy.Connection]:
        """Yield a transaction. Raises OutageError if the database does not answer."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except sqlalchemy.exc.OperationalError as error:
            where = self._url.render_as_string(hide_password=True)
            raise OutageError(f"the database of experiments ({where}) does not answer: {error.orig}") from None

    def find(self, name: str) -> Experiment | None:
        """Return an experiment, or None if there is none of this name."""
        with self._begin() as connection:
            found = connection.scalar(sqlalchemy.select(EXPERIMENTS.c.record).where(EXPERIMENTS.c.name == name))
        return None if found is None else Experiment.model_validate_json(found)

    def get(self, name: str) -> Experiment:
        """Return an experiment. Raises ConfigurationError naming those that there are if it is not one of them."""
        if (found := self.find(name)) is not None:
            return found
        known = ", ".join(self.names()) or "none"
        raise ConfigurationError(f"there is no experiment {name!r}; there are: {known}")

    def names(self) -> list[str]:
        """Return the names of all experiments."""
        with self._begin() as connection:
            return list(connection.scalars(sqlalchemy.select(EXPERIMENTS.c.name).order_by(EXPERIMENTS.c.name)))

    def add(self, experiment: Experiment) -> bool:
        """Add an experiment; returns False if its name is in use."""
        row = {"name": experiment.name, **_columns(experiment)}
        with self._begin() as connection:
            return bool(connection.execute(self._insert(EXPERIMENTS).values(row).on_conflict_do_nothing()).rowcount)

    def update(self, experiment: Experiment) -> None:
        """Replace the record of an experiment."""
        statement = sqlalchemy.update(EXPERIMENTS).where(EXPERIMENTS.c.name == experiment.name)
        with self._begin() as connection:
            connection.execute(statement.values(_columns(experiment)))

    def add_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Add units in one transaction; the first exposure of a unit stays."""
        statement = self._insert(UNITS).on_conflict_do_nothing()
        with self._begin() as connection:
            for first in range(0, len(exposures), AT_A_TIME):
                connection.execute(statement, [one._asdict() for one in exposures[first : first + AT_A_TIME]])

    def record(self, name: str, unit: str, value: float, at: float) -> str:
        """Record the outcome of a unit; returns `recorded`, `unknown`, `known` (it has one already) or `ended`."""
        mine = (UNITS.c.experiment == name) & (UNITS.c.unit == unit)
        ended = sqlalchemy.select(EXPERIMENTS.c.name).where((EXPERIMENTS.c.name == name) & (EXPERIMENTS.c.ended_at > 0))
        change = sqlalchemy.update(UNITS).where(mine & UNITS.c.value.is_(None) & ~ended.exists())
        with self._begin() as connection:
            if self._is_postgresql:  # the end waits for outcomes that are being recorded
                lock = sqlalchemy.select(EXPERIMENTS.c.name).where(EXPERIMENTS.c.name == name)
                connection.execute(lock.with_for_update(read=True))
            if connection.execute(change.values(value=value, recorded_at=at)).rowcount:
                return "recorded"
            if connection.scalar(ended) is not None:
                return "ended"
            known = connection.scalar(sqlalchemy.select(UNITS.c.unit).where(mine))
        return "unknown" if known is None else "known"

    def units(self, name: str) -> Units:
        """Return all units of an experiment."""
        import numpy as np

        columns = (UNITS.c.arm, UNITS.c.first_at, UNITS.c.value, UNITS.c.recorded_at)
        with self._begin() as connection:
            rows = connection.execute(sqlalchemy.select(*columns).where(UNITS.c.experiment == name)).all()
        arms, *numbers = zip(*rows, strict=True) if rows else ((), (), (), ())
        first_at, value, recorded_at = (np.array(column, dtype=float) for column in numbers)
        return Units(np.array(arms, dtype=object) == "b", first_at, value, recorded_at)


def _columns(experiment: Experiment) -> dict[str, Any]:
    return {"ended_at": experiment.ended_at, "record": experiment.model_dump_json()}
