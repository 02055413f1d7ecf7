"""The lock of `make ui`, one per checkout, which says where its Airflow answers; and what must not run beside it."""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from include.environment.settings import home
from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 10


def lock_file() -> Path:
    """Return the file that `make ui` locks."""
    return home() / ".airflow" / "ui.lock"


@contextmanager
def only_one_here(airflow: str) -> Iterator[None]:
    """Hold the lock while the block lasts, with the address of this Airflow in it.

    Raises ConfigurationError if another process holds it.
    """
    file = lock_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"`make ui` runs already on this checkout's database ({file} is locked)") from None
        lock.truncate(0)
        lock.write(airflow)
        lock.flush()
        yield


def refuse_beside_scheduler(dag_id: str) -> None:
    """Raise ConfigurationError if the scheduler of `make ui` would run the tasks of a run of this DAG too.

    Both use one database, and the scheduler takes the tasks of every run whose DAG is not paused.
    """
    airflow = _running_ui()
    if airflow is None:
        return
    try:
        with build_opener(ProxyHandler({})).open(f"{airflow}/api/v2/dags/{dag_id}", timeout=SECONDS) as response:
            paused = json.load(response)["is_paused"]
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, HTTPError) and error.code == HTTPStatus.NOT_FOUND:
            error.close()
            return  # it does not know the DAG, so that it runs none of its tasks
        raise ConfigurationError(
            f"`make ui` runs on this checkout's database, and its Airflow at {airflow} does not answer ({error}); "
            "wait until it does, or end it"
        ) from error
    if not paused:
        raise ConfigurationError(
            f"`make ui` runs on this checkout's database, and {dag_id} is not paused there: its scheduler would run "
            f"the same tasks once more. Start the run from the form at {airflow}/dags/{dag_id}, or pause the DAG there"
        )


def _running_ui() -> str | None:
    """Return the address of the Airflow that `make ui` runs on this checkout's database, or None."""
    try:
        with lock_file().open(encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read()
    except FileNotFoundError:
        pass
    return None
