"""What holds of every step that the world fails, and the mail server that it is told by."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.world import ALGORITHM

if TYPE_CHECKING:
    from tests.faults.world.worlds import World
    from trainer.run import RunFolder


def connect_mail(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"disable_ssl": True, "disable_tls": True, "retry_limit": 1, "timeout": 1}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))


@contextlib.contextmanager
def nothing_moves(world: World) -> Iterator[None]:
    before = world.versions(), world.aliases()
    yield
    assert (world.versions(), world.aliases()) == before
    assert world.litter() == []


def algorithm_of(step: str) -> str:
    return ALGORITHM if step == "train" else ""


def fails(world: World, step: str, error: type[Exception], message: str, folder: RunFolder | None = None) -> str:
    """Run a step that must fail so, without a result and with a record; returns what it said."""
    own = (folder or world.folder).at(step, algorithm_of(step))
    with nothing_moves(world), pytest.raises(error, match=message) as raised:
        world.step(step, algorithm_of(step), folder)
    failure = own.failure()
    assert failure is not None
    assert (failure.error, failure.exit_code) == (error.__name__, raised.value.exit_code)  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError):
        own.read_text("result.json")
    return str(raised.value)
