"""The feature store beside plain redis-py: the same keys and values, on the same server."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figure import Figure
from bench.timing import alternate
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl
    import redis

ROWS = 50_000
NUMBERS, TEXTS = 15, 3
HOUR = 3600
REPEATS = 7
GOAL = 0.8
SECONDS_TO_START = 30


def feature_store() -> list[Figure]:
    """Rows per second, written and read, beside plain pipelines of SET and GET."""
    from trainer.feature_store.store import BATCH, FeatureStore

    ids, rows = _rows()
    with _server() as client:
        store = FeatureStore(client, "bench", "one", rows.schema)
        store.store_many(ids, rows, HOUR)
        plain = _Plain(client, [f"features:bench:one:{name}" for name in ids], BATCH)
        write = alternate(_rate(lambda: store.store_many(ids, rows, HOUR)), _rate(plain.write), REPEATS)
        read = alternate(_rate(lambda: store.get_many(ids)), _rate(plain.read), REPEATS)
    how = (
        f"{ROWS:,} rows x {NUMBERS + TEXTS} columns, as a table and as a table again, against redis-py's pipelines of "
        "{} with the same keys, values and batches, neither encoded nor decoded; "
        f"median of {REPEATS} pairs"
    )
    return [
        Figure("feature_store_writes", write.value, write.reference, GOAL, "higher", "rows/s", how.format("SET")),
        Figure("feature_store_reads", read.value, read.reference, GOAL, "higher", "rows/s", how.format("GET")),
    ]


class _Plain:
    """What redis-py's documentation shows for many keys."""

    def __init__(self, client: redis.Redis, keys: list[str], batch: int) -> None:
        self._client, self._keys, self._batch = client, keys, batch
        self._values = self.read()

    def write(self) -> None:
        for start in range(0, len(self._keys), self._batch):
            pipe = self._client.pipeline(transaction=False)
            end = start + self._batch
            for key, value in zip(self._keys[start:end], self._values[start:end], strict=True):
                pipe.set(key, value, ex=HOUR)
            pipe.execute()

    def read(self) -> list[Any]:
        values: list[Any] = []
        for start in range(0, len(self._keys), self._batch):
            pipe = self._client.pipeline(transaction=False)
            for key in self._keys[start : start + self._batch]:
                pipe.get(key)
            values += pipe.execute()
        return values


def _rate(work: Callable[[], object]) -> Callable[[], float]:
    def rate() -> float:
        began = time.perf_counter()
        work()
        return ROWS / (time.perf_counter() - began)

    return rate


def _rows() -> tuple[pl.Series, pl.DataFrame]:
    import numpy as np
    import polars as pl

    random = np.random.default_rng(42)
    numbers = {f"number_{place}": random.normal(size=ROWS) for place in range(NUMBERS)}
    contracts = np.array(["Month-to-month", "One year", "Two year"])
    texts = {f"text_{place}": contracts[random.integers(3, size=ROWS)] for place in range(TEXTS)}
    return pl.Series([f"customer-{place:06}" for place in range(ROWS)]), pl.DataFrame({**numbers, **texts})


@contextmanager
def _server() -> Iterator[redis.Redis]:
    """A Redis of its own, on a socket in a temporary folder."""
    import redis

    program = shutil.which("redis-server")
    if program is None:
        raise TrainerError("there is no Redis to measure with: `redis-server` is not on PATH; install it")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        socket = Path(folder) / "socket"
        command = [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                yield _answering(redis.Redis(unix_socket_path=str(socket)))
            finally:
                process.terminate()


def _answering(client: redis.Redis) -> redis.Redis:
    import redis

    until = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            client.ping()
        except redis.exceptions.ConnectionError as error:
            if time.monotonic() > until:
                raise TrainerError(f"the Redis to measure with does not answer: {error}") from error
            time.sleep(0.05)
        else:
            return client
