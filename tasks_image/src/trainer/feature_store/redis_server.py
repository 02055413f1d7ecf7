"""A Redis server: how it is reached, and what its refusals mean."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import redis

from trainer.addresses import without_login
from trainer.errors import ConfigurationError, OutageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.errors import TrainerError

PATIENCE_SECONDS = 10


def connect(address: str, username: str = "", password: str = "") -> redis.Redis:
    """A client of the Redis at `redis://host:port/number` (`rediss://` with TLS); nothing is sent yet.

    Raises ConfigurationError for another kind of address.
    """
    try:
        return redis.Redis.from_url(
            address, username=username or None, password=password or None, socket_timeout=PATIENCE_SECONDS,
            socket_connect_timeout=PATIENCE_SECONDS,
        )  # fmt: skip
    except ValueError as error:
        raise ConfigurationError(
            f"feature store: {without_login(address)[0]!r} is no address of a Redis: {error}"
        ) from error


@contextlib.contextmanager
def answering(client: redis.Redis) -> Iterator[None]:
    """What Redis refuses, or that it does not answer, as errors that say what to do; none holds a password."""
    where = client.get_connection_kwargs()
    place = f"Redis at {where.get('host', where.get('path'))}:{where.get('port', '')}"
    try:
        yield
    except redis.exceptions.RedisError as error:
        raise _failure(error, place) from None  # its own text can hold a row's values


def _failure(error: redis.exceptions.RedisError, place: str) -> TrainerError:
    said = str(error).rpartition(" of pipeline caused error: ")[2]  # what stands before it are a row's values
    if isinstance(error, redis.exceptions.AuthenticationError | redis.exceptions.NoPermissionError):
        return ConfigurationError(f"feature store: {place} does not accept the login, or it has too few rights: {said}")
    if isinstance(error, redis.exceptions.OutOfMemoryError):
        return OutageError(f"feature store: {place} is full: {said}; give it memory, or features less time")
    if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError):
        return OutageError(f"feature store: {place} does not answer: {said}")
    return OutageError(f"feature store: {place} refuses: {said}")
