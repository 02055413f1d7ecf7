"""A CSV file made the snapshot of a run, beside DuckDB's own `COPY`."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from bench.figure import Figure
from bench.timing import alternate, cpu_seconds

ROWS = 1_000_000
NUMBERS, COUNTS, CATEGORIES = 9, 4, 4
REPEATS = 3
GOAL = 1.3


def csv_snapshot() -> list[Figure]:
    """What `ingest` does to a file: header, types, rows and digest, against DuckDB that writes the same rows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        types = write_rows(file, ROWS)
        pair = alternate(partial(_ours, file, types), partial(_duckdb, file), REPEATS)
        size = file.stat().st_size
    how = (
        f"a CSV file of {ROWS:,} rows x {len(types)} columns ({size / 1e6:.0f} MB), types declared, read, checked, "
        f"written as Parquet (zstd) and digested, against DuckDB's COPY of read_csv to Parquet (snappy, its default); "
        f"median of {REPEATS} pairs"
    )
    return [Figure("csv_snapshot", pair.value, pair.reference, GOAL, "lower", "CPU s", how)]


def write_rows(file: Path, rows: int) -> dict[str, str]:
    """Write seeded rows as CSV: ids, numbers, counts and categories; returns the columns' types."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(42)
    columns: dict[str, Any] = {"id": [f"C{number:08d}" for number in range(rows)]}
    columns |= {f"number_{at}": random.normal(size=rows).round(4) for at in range(NUMBERS)}
    columns |= {f"count_{at}": random.integers(0, 1000, rows) for at in range(COUNTS)}
    kinds = np.array(["month-to-month", "one year", "two years", "unknown"])
    columns |= {f"kind_{at}": kinds[random.integers(0, len(kinds), rows)] for at in range(CATEGORIES)}
    pl.DataFrame(columns).write_csv(file)
    named = {"n": "float", "c": "integer", "k": "string", "i": "string"}
    return {name: named[name[0]] for name in columns}


def _ours(file: Path, types: dict[str, str]) -> float:
    from trainer.pipeline import CsvSource
    from trainer.sources.readers import write_source
    from trainer.tables.parquet import file_digest

    source = CsvSource.model_validate({"uri": str(file), "types": types})
    target = file.with_name("ours.parquet")

    def snapshot() -> None:
        write_source(source, target)
        file_digest(target)

    return cpu_seconds(snapshot)


def _duckdb(file: Path) -> float:
    import duckdb

    target = file.with_name("duckdb.parquet")
    statement = f"COPY (SELECT * FROM read_csv('{file}')) TO '{target}' (FORMAT parquet)"  # noqa: S608  (our own names)
    with duckdb.connect() as connection:
        return cpu_seconds(lambda: connection.execute(statement))
