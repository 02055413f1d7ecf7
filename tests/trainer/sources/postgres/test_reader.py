"""Rows of a real PostgreSQL: their types, which rows, and words to act on where there are none."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.postgres import PASSWORD, Postgres, Warehouse
from trainer.errors import ConfigurationError, DataValidationError, OutageError, TrainerError
from trainer.pipeline import PostgresSource
from trainer.registry.lineage import log_dataset
from trainer.sources.readers import location_of, read_source, write_source
from trainer.tables.parquet import file_digest

SECRET = "p@ss:w/rd %'\\"
IN_SQL = "'" + SECRET.replace("'", "''").replace("%", "%%") + "'"
UUID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
MOMENT = datetime(2026, 1, 31, 10, 11, 12, 123456)
KINDS: dict[str, tuple[str, Any, Any]] = {
    "int2": ("7", pl.Int16, 7),
    "int4": ("-7", pl.Int32, -7),
    "int8": ("9007199254740993", pl.Int64, 9007199254740993),
    "float4": ("1.5", pl.Float32, 1.5),
    "float8": ("0.1", pl.Float64, 0.1),
    "numeric(12,3)": ("123.450", pl.Float64, 123.45),
    "numeric": ("1e30", pl.Float64, 1e30),
    "bool": ("true", pl.Boolean, True),
    "text": ("Zoë", pl.String, "Zoë"),
    "varchar(10)": (" v ", pl.String, " v "),
    "char(5)": ("c", pl.String, "c"),
    "date": ("2026-01-31", pl.Date, date(2026, 1, 31)),
    "timestamp": ("2026-01-31 10:11:12.123456", pl.Datetime("us"), MOMENT),
    "timestamptz": ("2026-01-31 12:11:12.123456+02", pl.Datetime("us"), MOMENT),
    "json": ('{"a": 1}', pl.String, '{"a": 1}'),
    "jsonb": ('{"a":1}', pl.String, '{"a": 1}'),
    "uuid": (UUID, pl.String, UUID),
    "mood": ("sad", pl.String, "sad"),
    "positive": ("5", pl.Int32, 5),
}


def read(**source: Any) -> pl.DataFrame:
    return read_source(PostgresSource(connection="warehouse", **source))[0]


@pytest.fixture
def customers(warehouse: Warehouse) -> Warehouse:
    """Five customers in the table `customers`."""
    warehouse.execute("CREATE TABLE customers (id int PRIMARY KEY, name text, fee numeric, seen date)")
    warehouse.execute(
        "INSERT INTO customers VALUES (1, 'Ann', 10.50, '2026-01-01'), (2, '', NULL, NULL), (3, '?', 0.1, '2026-01-03'),"
        " (4, 'Dan', 12345678901234567890.5, '2026-01-04'), (5, NULL, 7, '2026-01-05')"
    )
    return warehouse


@pytest.fixture
def analyst(customers: Warehouse) -> Iterator[str]:
    """Who may read only what is granted, with a password that an address has to quote."""
    customers.execute(f"CREATE ROLE analyst LOGIN PASSWORD {IN_SQL}")
    yield "analyst"
    customers.execute("DROP OWNED BY analyst")
    customers.execute("DROP ROLE analyst")


def test_types_are_kept_and_so_is_what_is_missing(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')")
    warehouse.execute("CREATE DOMAIN positive AS int4 CHECK (value > 0)")
    columns = ", ".join(f'"{kind}" {kind}' for kind in KINDS)
    values = ", ".join(f"'{text}'" for text, _, _ in KINDS.values())
    warehouse.execute(f"CREATE TABLE kinds ({columns})")
    warehouse.execute(f"INSERT INTO kinds VALUES ({values})")  # noqa: S608
    warehouse.execute("INSERT INTO kinds DEFAULT VALUES")
    frame = read(table="kinds")
    assert dict(frame.schema) == {name: kind for name, (_, kind, _) in KINDS.items()}
    assert frame.row(0, named=True) == {name: value for name, (_, _, value) in KINDS.items()}
    assert set(frame.row(1)) == {None}


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("int4[]", r"int4\[\]"), ("bytea", "bytea"), ("money", "money"), ("oid", "oid"), ("interval", "interval"),
        ("time", "time"), ("timetz", "timetz"), ("inet", "inet"), ("xml", "xml"), ("point", "point"),
        ("int4range", r"pg_type\.oid:3904"),
    ],
)  # fmt: skip
def test_a_type_that_no_step_knows_is_named_with_its_column(kind: str, named: str, warehouse: Warehouse) -> None:
    warehouse.execute(f'CREATE TABLE kinds (id int, "odd ""one" {kind})')
    message = rf"""understands the type of 1 of 2 columns: 'odd "one' \({named}\); leave .* "odd ""one"::text AS "odd ""one\""""
    with pytest.raises(DataValidationError, match=message):
        read(table="kinds")
    warehouse.execute("INSERT INTO kinds DEFAULT VALUES")
    assert read(query='SELECT id, "odd ""one"::text AS odd FROM kinds').schema["odd"] == pl.String


def test_columns_are_renamed_and_typed_and_texts_mean_missing(customers: Warehouse) -> None:
    types: dict[str, Any] = {"fee": "float", "customer": "string"}
    frame = read(table="customers", rename={"id": "customer"}, types=types, missing=["?"], where="customer != '5'")
    assert frame.sort("customer").to_dict(as_series=False) == {
        "customer": ["1", "2", "3", "4"],
        "name": ["Ann", None, None, "Dan"],
        "fee": [10.5, None, 0.1, 12345678901234567890.5],
        "seen": [date(2026, 1, 1), None, date(2026, 1, 3), date(2026, 1, 4)],
    }


def test_of_a_numeric_all_digits_can_be_had(customers: Warehouse) -> None:
    query = "SELECT fee FROM customers WHERE id IN (1, 4) ORDER BY id"
    assert read(query=query, types={"fee": "string"})["fee"].to_list() == ["10.50", "12345678901234567890.5"]
    query = "SELECT 9007199254740993::numeric AS amount UNION ALL SELECT 12.000 ORDER BY amount"
    assert read(query=query, rename={"amount": "n"}, types={"n": "integer"})["n"].to_list() == [12, 9007199254740993]
    query = "SELECT 'NaN'::numeric AS a, 'Infinity'::numeric AS b, 'NaN'::float8 AS c"
    assert [*map(math.isnan, read(query=query).row(0))] == [True, False, True]


def test_a_value_that_is_not_of_its_declared_type_is_named(customers: Warehouse) -> None:
    with pytest.raises(DataValidationError, match=r"customers: column 'name' is declared integer, and 3 of 5 .*'Ann'"):
        read(table="customers", types={"name": "integer"})
    with pytest.raises(DataValidationError, match=r"columns to rename are missing: nam; did you mean 'name'\?"):
        read(table="customers", rename={"nam": "n"})
    with pytest.raises(DataValidationError, match=r"the column 'fees' is missing; did you mean 'fee'\?"):
        read(table="customers", types={"fees": "float"})


def test_a_table_by_whatever_name(warehouse: Warehouse) -> None:
    warehouse.execute('CREATE SCHEMA "Sales"')
    warehouse.execute('CREATE TABLE "Sales"."a"";DROP--" AS SELECT 1 AS n')
    assert read(table='Sales.a";DROP--').to_dicts() == [{"n": 1}]
    warehouse.execute("CREATE VIEW seen AS SELECT 2 AS n")
    assert read(table="seen").to_dicts() == [{"n": 2}]


@pytest.mark.parametrize(
    "query",
    ["SELECT 1 AS n;", "select 1 as n -- the one", "WITH a AS (SELECT 1 AS n) SELECT * FROM a ;\n", "/* b */ (SELECT 1 AS n)"],
)  # fmt: skip
def test_a_query_however_written(query: str, warehouse: Warehouse) -> None:
    assert read(query=query).to_dicts() == [{"n": 1}]


@pytest.mark.parametrize("query", ["", "DELETE FROM customers", "-- SELECT\nDROP TABLE customers", "EXPLAIN SELECT 1"])
def test_what_is_no_select_is_refused_before_anything_runs(query: str) -> None:
    with pytest.raises(ValueError, match="is no SELECT, which alone is read"):
        PostgresSource(connection="warehouse", query=query)


PATIENT = "?options=-c%20statement_timeout%3D2s"
REFUSED: list[tuple[str, dict[str, str], type[TrainerError], str]] = [
    ("no table", {"table": "custmers"}, DataValidationError, r'/custmers: relation "custmers" does not exist; mend `so'),
    ("capitals", {"table": "Customers"}, DataValidationError, r'relation "Customers" does not exist; .*capitals count'),
    ("no schema", {"table": "sale.customers"}, DataValidationError, 'relation "sale.customers" does not exist'),
    ("no column", {"query": "SELECT nam FROM customers"}, DataValidationError, r'\?query=\w{12}: column "nam" does not'),
    ("syntax", {"query": "SELECT FROM WHERE"}, ConfigurationError, 'source: syntax error at or near "WHERE"'),
    ("two statements", {"query": "SELECT 1; SELECT 2"}, ConfigurationError, "cannot insert multiple commands"),
    ("closed early", {"query": "SELECT 1) TO STDOUT; DROP TABLE customers; --"}, ConfigurationError, "syntax error"),
    (
        "change",
        {"query": "WITH gone AS (DELETE FROM customers RETURNING *) SELECT * FROM gone"},
        ConfigurationError,
        "in a read-only transaction; one SELECT that changes nothing is allowed",
    ),
    ("function", {"query": "SELECT no_such(1)"}, ConfigurationError, r"source: function no_such\(integer\) does"),
    ("parameter", {"query": "SELECT $1::int"}, ConfigurationError, r"source: there is no parameter \$1"),
    ("twice", {"query": "SELECT 1 AS a, 2 AS a"}, ConfigurationError, "two columns are called 'a'; tell them apart"),
    ("no columns", {"query": "SELECT FROM customers"}, DataValidationError, "there is no column"),
    ("division", {"query": "SELECT 1 / (id - 3) FROM customers"}, DataValidationError, "division by zero; mend the data"),
    ("0 rows", {"query": "SELECT * FROM customers WHERE id > 9"}, DataValidationError, "the query gives 0 rows; nothing"),
    ("no rows", {"table": "empty"}, DataValidationError, "/empty: the table has no rows; nothing can be learned from no"),
    ("where", {"table": "customers", "where": "id > 9"}, DataValidationError, r"0 of 5 rows fit source.where \(id > 9\)"),
    ("denied", {"query": "SELECT * FROM hidden"}, DataValidationError, "permission denied for .*hidden; .*GRANT SELECT"),
    ("too long", {"query": "SELECT pg_sleep(60)::text AS n"}, OutageError, "statement timeout; ask for less, or allow"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "kind", "message"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_what_cannot_be_read_is_said_with_what_to_do(
    source: dict[str, str],
    kind: type[TrainerError],
    message: str,
    customers: Warehouse,
    analyst: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    customers.execute("CREATE TABLE empty (n int)")
    customers.execute("CREATE TABLE hidden (n int)")
    customers.execute(f"GRANT SELECT ON customers, empty TO {analyst}")
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", customers.uri(analyst, SECRET) + PATIENT)
    with pytest.raises(kind, match=message) as raised:
        read(**source)
    assert type(raised.value) is kind
    assert SECRET not in str(raised.value)
    assert customers.execute("SELECT count(*) FROM customers") == [(5,)]


@pytest.mark.parametrize(
    ("uri", "kind", "message"),
    [
        ({"password": "not-the-one"}, ConfigurationError, "does not accept the connection 'warehouse': password authentication"),
        ({"user": "nobody"}, ConfigurationError, 'password authentication failed for user "nobody"; correct it'),
        ({"database": "none"}, ConfigurationError, 'database "none" does not exist; correct it'),
        ({"password": ""}, ConfigurationError, "no password supplied; correct it"),
        ({"user": ""}, ConfigurationError, r"connection 'warehouse' has no user; it needs host, database \(Airflow"),
        ({"database": ""}, ConfigurationError, "connection 'warehouse' has no dbname"),
        ({"port": 9}, OutageError, "PostgreSQL at 127.0.0.1:9 does not answer, .*Connection refused.*; start or mend"),
        ({"host": "no.such.host.invalid"}, OutageError, "could not translate host name"),
    ],
    ids=["password", "user", "database", "no password", "no user", "no database", "port", "host"],
)  # fmt: skip
def test_a_server_that_lets_nobody_in(
    uri: dict[str, Any], kind: type[TrainerError], message: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", warehouse.uri(**uri))
    with pytest.raises(kind, match=message) as raised:
        read(query="SELECT 1 AS n")
    assert PASSWORD not in str(raised.value)
    assert "not-the-one" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("sslmode=require", "server does not support SSL, but SSL was required; correct it"),
        ("sslmode=always", 'invalid sslmode value: "always"; correct it'),
        ("sslmod=require", r"takes no parameter 'sslmod' \(Airflow: Extra\); did you mean 'sslmode'"),
        ("__extra__=%7B%22cursor%22%3A%20%7B%22a%22%3A%201%7D%7D", "takes no parameter 'cursor'"),
    ],
    ids=["no TLS", "unknown value", "typo", "nested"],
)
def test_what_else_a_connection_says(
    options: str, message: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", f"{warehouse.uri()}?{options}")
    with pytest.raises(ConfigurationError, match=message):
        read(query="SELECT 1 AS n")
    monkeypatch.setenv(
        "TRAINER_CONNECTION_WAREHOUSE", f"{warehouse.uri()}?application_name=us&options=-c+search_path%3Db"
    )
    query = "SELECT current_setting('application_name') AS a, current_setting('search_path') AS b"
    assert read(query=query).row(0) == ("us", "b")


def test_the_address_says_what_was_read_without_the_login(
    customers: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    place = f"postgresql://127.0.0.1:{customers.server.port}/{customers.database}"
    with caplog.at_level(logging.DEBUG):
        lineage = read_source(PostgresSource(connection="warehouse", table="customers"))[1]
    assert (lineage.source, lineage.kind) == (f"{place}/customers", "postgres")
    assert datetime.now(UTC) - lineage.changed_at < timedelta(minutes=1)
    one, same, other = (
        location_of(PostgresSource(connection="warehouse", query=query))
        for query in ("SELECT 1", "SELECT 1;", "SELECT 2")
    )
    assert one == same
    assert one != other
    assert one.startswith(f"{place}?query=")
    assert "5 rows read" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_timestamp_with_a_zone_is_noted_and_has_no_day(warehouse: Warehouse) -> None:
    query = "SELECT timestamptz '2026-01-31 00:11:12+02' AS at"
    frame, lineage = read_source(PostgresSource(connection="warehouse", query=query))
    assert frame["at"].to_list() == [datetime(2026, 1, 30, 22, 11, 12)]
    assert lineage.notes == ("column 'at': timestamps with a time zone (UTC) are kept as the same instants in UTC",)
    with pytest.raises(DataValidationError, match="column 'at' is declared date and holds timestamps with a time zone"):
        read(query=query, types={"at": "date"})


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_dates_that_no_calendar_has_are_counted(kind: str, warehouse: Warehouse) -> None:
    warehouse.execute(f"CREATE TABLE days AS SELECT 1 AS n, '9999-12-31'::{kind} AS day")
    warehouse.execute("INSERT INTO days VALUES (2, '0001-01-01'), (3, NULL)")
    assert [day.year for day in read(table="days")["day"].drop_nulls()] == [9999, 1]
    warehouse.execute(
        "INSERT INTO days VALUES (4, 'infinity'), (5, '-infinity'), (6, '4000-01-01 BC'), (7, '10000-01-01')"
    )
    with pytest.raises(DataValidationError, match=r"/days: column 'day': 4 of 7 dates are infinite, or outside of the"):
        read(table="days")
    query = "SELECT n, NULLIF(day, 'infinity') AS day FROM days WHERE n IN (3, 4)"
    assert read(query=query)["day"].to_list() == [None, None]


def test_texts_in_another_encoding(postgres: Postgres, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", warehouse.uri(database="latin"))
    assert read(query="SELECT chr(235) AS name").to_dicts() == [{"name": "ë"}]
    postgres.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0")
    monkeypatch.setenv("TRAINER_CONNECTION_WAREHOUSE", warehouse.uri(database="bytes"))
    with pytest.raises(DataValidationError, match='invalid byte sequence for encoding "UTF8": 0xeb; mend the data'):
        read(query=r"SELECT convert_from('\x5a6feb', 'SQL_ASCII') AS name")


def test_what_others_write_meanwhile_is_not_read(warehouse: Warehouse) -> None:
    warehouse.fill()

    def change(_process: int) -> None:
        assert PASSWORD not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        warehouse.execute("DELETE FROM many WHERE n > 95000")
        warehouse.execute("UPDATE many SET filler = '' WHERE n > 90000")
        warehouse.execute("INSERT INTO many VALUES (100001, '')")

    with warehouse.in_the_middle(change):
        frame = read(table="held")
    assert frame["n"].to_list() == list(range(1, 100_001))
    assert frame["filler"].null_count() == 0
    assert warehouse.execute("SELECT count(*) FROM many") == [(95_001,)]


def test_equal_rows_give_equal_bytes(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.fill()
    source = PostgresSource(connection="warehouse", table="many")
    for name in ("one", "other"):
        write_source(source, tmp_path / name)
    assert file_digest(tmp_path / "one") == file_digest(tmp_path / "other")
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["one", "other"]


FETCH = """
import resource, sys
from pathlib import Path
from trainer.pipeline import PostgresSource
from trainer.sources.postgres.reader import fetch, postgres_location
source = PostgresSource(connection="warehouse", query=sys.argv[1])
fetch(source, Path(sys.argv[2]), postgres_location(source))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_number_of_rows(warehouse: Warehouse, tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        query = f"SELECT n, repeat(md5(n::text), 32) AS filler FROM generate_series(1, {rows}) AS n"  # noqa: S608
        command = [sys.executable, "-c", FETCH, query, str(tmp_path / str(rows))]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    few, many = 100_000, 500_000
    more = (many - few) * 1024 / 1e6
    assert peak(many) - peak(few) < more / 5


def test_mlflow_is_told_of_it(customers: Warehouse, surroundings: Any) -> None:
    import mlflow

    frame, lineage = read_source(PostgresSource(connection="warehouse", table="customers"))
    mlflow.set_tracking_uri(surroundings.tracking_uri)
    with mlflow.start_run() as run:
        log_dataset(lineage, "inputs", frame)
    (given,) = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    assert given.dataset.name == "customers"
    assert lineage.source in given.dataset.source
