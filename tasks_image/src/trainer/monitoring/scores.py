"""The scored rows that an output holds, one scoring run after the other."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, TrainerError
from trainer.pipeline import ParquetOutput, PostgresSource
from trainer.scoring.answers import RUN, TIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from trainer.pipeline import PostgresOutput


@contextlib.contextmanager
def published_runs(
    output: ParquetOutput | PostgresOutput, since: str, is_wanted: Callable[[str], bool]
) -> Iterator[dict[str, pl.LazyFrame]]:
    """Yield the scored rows of each wanted run by its key, to be used in the block.

    :param since: ISO 8601, UTC; a table's older rows are not read
    :param is_wanted: asked once for each key

    Raises ConfigurationError if the output is not there or may not be read, OutageError if it does not answer. Empty
    if a folder has no scored rows.
    """
    if isinstance(output, ParquetOutput):
        with _files(output.uri, is_wanted) as found:
            yield found
    else:
        with _rows_of_table(output, since, is_wanted) as found:
            yield found


@contextlib.contextmanager
def _files(uri: str, is_wanted: Callable[[str], bool]) -> Iterator[dict[str, pl.LazyFrame]]:
    import fsspec
    import polars as pl

    filesystem, root = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    try:
        names = [str(name) for name in filesystem.ls(root, detail=False)]
    except FileNotFoundError:
        names = []
    except PermissionError as error:
        raise ConfigurationError(
            f"scoring.output.uri: {uri} cannot be read: {error}; let this process read there"
        ) from error
    files = [name for name in sorted(names) if name.endswith(".parquet") and not Path(name).name.startswith(".")]
    with tempfile.TemporaryDirectory() as scratch:
        found = {}
        for name in [file for file in files if is_wanted(Path(file).stem)]:
            file = Path(scratch) / Path(name).name
            filesystem.get_file(name, str(file))
            found[file.stem] = pl.scan_parquet(file)
        yield found


@contextlib.contextmanager
def _rows_of_table(
    output: PostgresOutput, since: str, is_wanted: Callable[[str], bool]
) -> Iterator[dict[str, pl.LazyFrame]]:
    import polars as pl

    from trainer.connections import read_connection
    from trainer.sources.postgres.column_types import quoted
    from trainer.sources.postgres.reader import fetch
    from trainer.sources.postgres.server import place_of

    connection = read_connection(output.connection)
    address = f"postgresql://{place_of(connection)}/{connection.database}/{output.table}"
    table = ".".join(map(quoted, output.table.split(".")))
    query = f"SELECT * FROM {table} WHERE {quoted(TIME)} >= '{since}'"  # noqa: S608  (quoted, and our own time)
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "raw.parquet"
        try:
            fetch(PostgresSource(connection=output.connection, query=query), raw, address)
        except TrainerError as error:
            error.add_note(f"This is about `scoring.output`, from which rows scored since {since} are read.")
            raise
        rows = pl.scan_parquet(raw)
        keys = rows.select(pl.col(RUN).unique()).collect().to_series().to_list()
        yield {key: rows.filter(pl.col(RUN) == key) for key in sorted(keys) if is_wanted(key)}
