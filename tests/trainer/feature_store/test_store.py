"""Features by id in a real Redis: what is read is what was written, of one version, or the error says why not."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
import redis

from tests.redis_server import PASSWORD, USER, RedisServer
from trainer.errors import ConfigurationError, DataValidationError, OutageError
from trainer.feature_store import store as feature_store
from trainer.feature_store.redis_server import connect
from trainer.feature_store.store import FeatureStore, NothingPublishedError, UnknownIdError, version_of
from trainer.inference.features import FittedFeatures

HOUR = 3600
IDS = pl.Series("customer", ["a-1", "b:2", "ü 3"])
ROWS = pl.DataFrame({
    "tenure": [1, -(2**62), None],
    "charge": [0.1, 1.7976931348623157e308, -0.0],
    "contract": ['Month "to" month', "日本\n\u2028", None],
    "is_new": [True, False, None],
    "since": [date(1969, 12, 31), date(2026, 11, 26), None],
    "seen": [datetime(2026, 11, 26, 1, 2, 3, 456_789), datetime(1901, 1, 1), None],
    "seen_utc": [datetime(2026, 3, 29, 1, 30, tzinfo=UTC), None, None],
})


@pytest.fixture
def client(redis_server: RedisServer) -> redis.Redis:
    return connect(redis_server.address, USER, PASSWORD)


@pytest.fixture
def store(client: redis.Redis) -> FeatureStore:
    """A store of version `one`, with three ids, published."""
    made = FeatureStore(client, "churn", "one", ROWS.schema)
    assert made.store_many(IDS, ROWS, HOUR) == 3
    made.publish(HOUR)
    return made


def test_a_round_trip_gives_equal_values_and_types(store: FeatureStore, client: redis.Redis) -> None:
    read = FeatureStore.published(client, "churn").get_many(IDS)
    assert read.rows.equals(ROWS.select(IDS.alias("__id__"), pl.all()))
    assert read.rows.drop("__id__").schema == ROWS.schema
    assert read.unknown == []
    assert str(read.rows["charge"][2]) == "-0.0"


def test_one_id_at_a_time(store: FeatureStore) -> None:
    changed = {**ROWS.row(0, named=True), "tenure": 2, "contract": None}
    store.store_features("a-1", changed, HOUR)
    store.store_features(4, changed, HOUR)
    assert store.get_features("a-1") == store.get_features(4) == store.get_features("4") == changed
    assert store.get_features("b:2") == ROWS.row(1, named=True)


def test_no_number_is_a_missing_value(client: redis.Redis) -> None:
    store = FeatureStore(client, "churn", "one", pl.Schema({"x": pl.Float64}))
    store.store_many(pl.Series([1, 2]), pl.DataFrame({"x": [float("nan"), 2]}), HOUR)
    assert store.get_many([1, 2]).rows["x"].to_list() == [None, 2.0]


def test_more_rows_than_one_batch(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "BATCH", 7)
    store = FeatureStore(client, "churn", "one", pl.Schema({"x": pl.Int64}))
    ids = pl.Series(range(50))
    assert store.store_many(ids, pl.DataFrame({"x": ids}), HOUR) == 50
    found = store.get_many([*range(49, -1, -2), 1000])
    assert found.rows["x"].to_list() == [*range(49, -1, -2)]
    assert found.unknown == ["1000"]


def test_unknown_ids_are_told_apart_from_missing_values_and_missing_ids(store: FeatureStore) -> None:
    found = store.get_many(["nobody", "ü 3", "none"])
    assert (found.rows["__id__"].to_list(), found.unknown) == (["ü 3"], ["nobody", "none"])
    assert found.rows["tenure"].to_list() == [None]
    with pytest.raises(UnknownIdError, match=r"'churn' has features of version one, and none for the id 'nobody'"):
        store.get_features("nobody")
    with pytest.raises(DataValidationError, match="an id is missing"):
        store.get_features(None)
    with pytest.raises(DataValidationError, match="1 of 3 ids are missing"):
        store.store_many(pl.Series(["a", None, "c"]), ROWS, HOUR)


def test_nothing_asked_for_is_nothing_found(store: FeatureStore) -> None:
    assert store.get_many([]).rows.schema == {"__id__": pl.String(), **ROWS.schema}


def test_a_reader_sees_one_version_only(store: FeatureStore, client: redis.Redis) -> None:
    narrow = pl.DataFrame({"tenure": [10]})
    newer = FeatureStore(client, "churn", "two", narrow.schema)
    newer.store_many(pl.Series(["a-1"]), narrow, HOUR)
    assert FeatureStore.published(client, "churn").version == "one"  # the new one is not complete yet
    newer.publish(HOUR)
    latest = FeatureStore.published(client, "churn")
    assert (latest.version, latest.get_features("a-1")) == ("two", {"tenure": 10})
    assert latest.get_many(["a-1", "b:2"]).unknown == ["b:2"]  # which version `one` has
    assert store.get_features("a-1") == ROWS.row(0, named=True)
    assert FeatureStore.published(client, "churn", "one").get_features("b:2") == ROWS.row(1, named=True)


def test_pipelines_do_not_see_each_other(store: FeatureStore, client: redis.Redis) -> None:
    with pytest.raises(NothingPublishedError, match="'bikes' has no features: none were published"):
        FeatureStore.published(client, "bikes")


def test_after_its_time_a_version_is_gone_and_says_so(client: redis.Redis) -> None:
    store = FeatureStore(client, "churn", "one", ROWS.schema)
    store.store_many(IDS, ROWS, HOUR)
    store.publish(HOUR)
    held: Any = client.keys("*")
    assert len(held) == 5
    assert all(HOUR - 60 < client.ttl(key) <= HOUR for key in held)
    store.store_many(IDS, ROWS, 1)
    store.publish(1)
    end = time.monotonic() + 30
    while client.dbsize() and time.monotonic() < end:
        time.sleep(0.05)
    with pytest.raises(NothingPublishedError, match="'churn' has no features of version one: .* or their time is over"):
        store.get_features("a-1")
    with pytest.raises(NothingPublishedError, match="'churn' has no features: "):
        FeatureStore.published(client, "churn")


@pytest.mark.parametrize(
    ("ids", "rows", "expected"),
    [
        (IDS, ROWS.drop("charge"), r"columns are missing: \['charge'\]"),
        (IDS, ROWS.with_columns(extra=1), r"none of its version: \['extra'\]"),
        (IDS, ROWS.with_columns(pl.lit("often").alias("tenure")), "values do not fit their type: .*tenure"),
        (IDS, ROWS.with_columns(charge=float("-inf")), "3 of 3 values of 'charge' are infinite"),
        (pl.Series(["a", "b", "a"]), ROWS, "1 ids stand there more than once: a; which row counts"),
    ],
    ids=["absent", "strange", "type", "infinite", "twice"],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    client: redis.Redis, ids: pl.Series, rows: pl.DataFrame, expected: str
) -> None:
    with pytest.raises(DataValidationError, match=expected):
        FeatureStore(client, "churn", "one", ROWS.schema).store_many(ids, rows, HOUR)
    assert client.dbsize() == 0


def test_a_server_that_is_down_is_an_outage(store: FeatureStore, redis_server: RedisServer) -> None:
    redis_server.stop()
    expected = rf"Redis at 127\.0\.0\.1:{redis_server.port} does not answer"
    for ask in (
        lambda: store.store_many(IDS, ROWS, HOUR),
        lambda: store.publish(HOUR),
        lambda: store.get_many(["a-1"]),
        lambda: FeatureStore.published(store.client, "churn"),
    ):
        with pytest.raises(OutageError, match=expected):
            ask()


@pytest.mark.parametrize(("user", "password"), [(USER, "mistaken"), ("", ""), ("nobody", PASSWORD)])
def test_a_wrong_login_is_a_wrong_configuration(redis_server: RedisServer, user: str, password: str) -> None:
    with pytest.raises(ConfigurationError, match="does not accept the login") as caught:
        FeatureStore.published(connect(redis_server.address, user, password), "churn")
    assert PASSWORD not in str(caught.value)
    assert "mistaken" not in str(caught.value)


def test_a_login_without_the_right_to_write(redis_server: RedisServer) -> None:
    reader = FeatureStore(connect(redis_server.address, "reader", PASSWORD), "churn", "one", ROWS.schema)
    with pytest.raises(ConfigurationError, match="too few rights: .*no permissions") as caught:
        reader.store_many(IDS, ROWS, HOUR)
    assert "Month" not in "".join(traceback.format_exception(caught.value))  # values are personal data


def test_a_full_server_is_an_outage(store: FeatureStore, redis_server: RedisServer) -> None:
    redis_server.client().config_set("maxmemory", "1mb")
    try:
        with pytest.raises(OutageError, match=r"is full: .*give it memory"):
            store.store_many(IDS, ROWS, HOUR)
    finally:
        redis_server.client().config_set("maxmemory", "0")


def test_another_kind_of_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no address of a Redis"):
        connect("http://127.0.0.1")


def test_a_version_follows_from_all_that_gives_values_a_meaning() -> None:
    fitted = FittedFeatures({"middle": 70.5}, {"above": "charge > middle"}, {"charge": pl.Float64()})
    schema = pl.Schema({"charge": pl.Float64, "above": pl.Boolean})
    other = [
        (FittedFeatures({"middle": 70.6}, fitted.derive, fitted.columns), schema),
        (FittedFeatures(fitted.constants, {"above": "charge >= middle"}, fitted.columns), schema),
        (fitted, pl.Schema({"charge": pl.Float64, "above": pl.Int64})),
        (fitted, pl.Schema({"charge": pl.Float64})),
    ]
    versions = {version_of(fitted, schema), *(version_of(*one) for one in other)}
    assert len(versions) == 5
    assert all(len(version) == 16 for version in versions)
    assert version_of(fitted, schema) == "ce084c59d2b9d52a"
