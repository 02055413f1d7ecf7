"""Features by id in Redis, for services that answer faster than features can be computed."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from trainer.errors import DataValidationError
from trainer.feature_store.redis_server import answering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    import redis

    from trainer.inference.features import FittedFeatures

BATCH = 5_000
"""Rows that go to the server, or come from it, at once: enough that the way there does not count."""
VERSION_DIGITS = 16
EXAMPLES = 5


class UnknownIdError(DataValidationError, KeyError):
    """There are features, but none for this id."""

    __str__ = Exception.__str__


class NothingPublishedError(DataValidationError, KeyError):
    """No features are there at all: none were published, or their time is over."""

    __str__ = Exception.__str__


class Found(NamedTuple):
    """What a store knows of many ids."""

    rows: pl.DataFrame
    """The ids (as texts, under `__id__`) that it knows, in the order asked for, and their features."""
    unknown: list[str]
    """The ids that it does not know, in the order asked for."""


@dataclass(frozen=True)
class FeatureStore:
    """One pipeline's features, all of one version of their definitions: values of two versions cannot mix.

    A key is `features:{pipeline}:{version}:{id}`, its value a JSON object; dates and datetimes in it are whole numbers
    since 1970. `features:{pipeline}:{version}` holds the columns and their types, as an empty Arrow file, and
    `features:{pipeline}` the version that was published last.
    """

    client: redis.Redis
    pipeline: str
    version: str
    """See `version_of`."""
    schema: pl.Schema
    """The columns, without the id."""

    @classmethod
    def published(cls, client: redis.Redis, pipeline: str, version: str | None = None) -> Self:
        """The store with the version that was published last, or with a given one.

        Raises NothingPublishedError where it is not there, OutageError where Redis does not answer.
        """
        import polars as pl

        with answering(client):
            if version is None:
                named: Any = client.get(_key(pipeline))
                version = None if named is None else named.decode()
            columns: Any = None if version is None else client.get(_key(pipeline, version))
        if version is None or columns is None:
            which = "" if version is None else f" of version {version}"
            raise NothingPublishedError(
                f"feature store: {pipeline!r} has no features{which}: none were published, or their time is over; "
                "run the pipeline again"
            )
        return cls(client, pipeline, version, pl.Schema(pl.read_ipc_schema(io.BytesIO(columns))))

    def store_features(self, identity: object, features: Mapping[str, Any], ttl_seconds: int) -> None:
        """Write one id's features, for so many seconds; all columns have to be there. See `store_many`."""
        import polars as pl

        row = pl.DataFrame([{**features}], schema_overrides=self.schema)
        self.store_many(pl.Series([identity]), row, ttl_seconds)

    def store_many(self, ids: pl.Series, features: pl.DataFrame, ttl_seconds: int) -> int:
        """Write the features (n, columns) of ids (n,), for so many seconds; returns n. What was there is replaced.

        No number is a missing value. Raises DataValidationError for an id that is missing or repeated, for columns
        other than the store's, and for infinite values; OutageError where Redis does not answer or is full.
        """
        texts = _checked_ids(ids)
        values = _as_json(_checked(features, self.schema))
        prefix = _key(self.pipeline, self.version, "")
        with answering(self.client):
            for start in range(0, len(texts), BATCH):
                batch = self.client.pipeline(transaction=False)
                for name, value in zip(texts[start : start + BATCH], values[start : start + BATCH], strict=True):
                    batch.set(prefix + name, value, ex=ttl_seconds)
                batch.execute()
        return len(texts)

    def publish(self, ttl_seconds: int) -> None:
        """Make this version the one that readers find, for so many seconds."""
        columns = io.BytesIO()
        self.schema.to_frame().write_ipc(columns)
        with answering(self.client):
            both = self.client.pipeline(transaction=True)
            both.set(_key(self.pipeline, self.version), columns.getvalue(), ex=ttl_seconds)
            both.set(_key(self.pipeline), self.version, ex=ttl_seconds)
            both.execute()

    def get_features(self, identity: object) -> dict[str, Any]:
        """One id's features. Raises UnknownIdError for one that is not there; see `get_many`."""
        found = self.get_many([identity])
        if found.unknown:
            raise UnknownIdError(
                f"feature store: {self.pipeline!r} has features of version {self.version}, and none for the id "
                f"{found.unknown[0]!r}"
            )
        return found.rows.drop("__id__").row(0, named=True)

    def get_many(self, ids: Sequence[object] | pl.Series) -> Found:
        """The features of many ids, and the ids that are not known.

        Raises DataValidationError for an id that is missing or repeated, NothingPublishedError where not one is known
        and the version is gone, OutageError where Redis does not answer.
        """
        import polars as pl

        texts = _checked_ids(ids if isinstance(ids, pl.Series) else pl.Series([str(_present(one)) for one in ids]))
        prefix = _key(self.pipeline, self.version, "")
        values: list[bytes | None] = []
        with answering(self.client):
            for start in range(0, len(texts), BATCH):
                answer: Any = self.client.mget([prefix + name for name in texts[start : start + BATCH]])
                values += answer
        known = [place for place, value in enumerate(values) if value is not None]
        if texts and not known:
            self.published(self.client, self.pipeline, self.version)  # or it is not the id that is unknown
        rows = _from_json([value for value in values if value is not None], self.schema)
        names = pl.Series("__id__", [texts[place] for place in known], dtype=pl.String)
        return Found(
            rows.insert_column(0, names), [name for name, value in zip(texts, values, strict=True) if value is None]
        )


def version_of(features: FittedFeatures, schema: pl.Schema) -> str:
    """The digest of all that decides what a column's values mean: expressions, their constants, names and types.

    The first 16 hexadecimal digits of a SHA-256.
    """
    meaning = {
        "columns": {name: str(kind) for name, kind in schema.items()},
        "constants": features.constants,
        "derive": list(features.derive.items()),  # one may use those before it
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:VERSION_DIGITS]


def _key(*parts: str) -> str:
    return ":".join(("features", *parts))


def _present(identity: object) -> object:
    if identity is None or identity == "":
        raise DataValidationError("feature store: an id is missing (None or an empty text); leave it out")
    return identity


def _checked_ids(ids: pl.Series) -> list[str]:
    import polars as pl

    texts = ids.cast(pl.String)
    missing = (texts.is_null() | (texts == "")).sum()
    if missing:
        raise DataValidationError(f"feature store: {missing} of {len(texts)} ids are missing; leave these rows out")
    if texts.n_unique() < len(texts):
        twice = texts.filter(texts.is_duplicated()).unique(maintain_order=True)
        raise DataValidationError(
            f"feature store: {len(twice)} ids stand there more than once: {', '.join(twice.head(EXAMPLES))}; which "
            "row counts?"
        )
    return texts.to_list()


def _checked(features: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The columns in the store's order and types."""
    import polars as pl

    absent, strange = [*(schema.keys() - {*features.columns})], [*({*features.columns} - schema.keys())]
    if absent or strange:
        raise DataValidationError(
            f"feature store: columns are missing: {sorted(absent)}, and columns that are none of its version: "
            f"{sorted(strange)}; values of two versions never mix"
        )
    try:
        frame = features.select(schema.keys()).cast(schema)
    except pl.exceptions.InvalidOperationError as error:
        raise DataValidationError(f"feature store: values do not fit their type: {error}") from error
    for column in frame.iter_columns():
        if column.dtype.is_float() and (infinite := int(column.is_infinite().sum())):
            raise DataValidationError(
                f"feature store: {infinite} of {len(column)} values of {column.name!r} are infinite; a feature is a "
                "number or missing"
            )
    return frame


def _as_json(frame: pl.DataFrame) -> list[str]:
    import polars as pl
    import polars.selectors as cs

    plain = frame.with_columns(cs.temporal().to_physical(), cs.float().fill_nan(None))
    return plain.select(pl.struct(pl.all()).struct.json_encode()).to_series().to_list()


def _from_json(values: list[bytes], schema: pl.Schema) -> pl.DataFrame:
    import polars as pl
    import polars.selectors as cs

    physical = schema.to_frame().with_columns(cs.temporal().to_physical()).schema
    texts = pl.Series([value.decode() for value in values], dtype=pl.String)
    return texts.str.json_decode(pl.Struct(physical)).struct.unnest().cast(schema)
