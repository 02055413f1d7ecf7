"""Row keys: the same row has the same key, two different rows have two."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.tables.row_keys import fingerprint, row_keys


@pytest.mark.parametrize(
    ("one", "other"),
    [([[1, 2]], [[1, 3]]), ([{"a": 1}], [{"a": None}]), ([timedelta(1)], [timedelta(2)])],
    ids=["list", "struct", "duration"],
)
def test_content_of_any_type_tells_rows_apart(one: list[Any], other: list[Any]) -> None:
    keys = row_keys(pl.DataFrame({"x": one + other + one}), None)
    assert keys[0] == keys[2] != keys[1]


def test_a_key_is_the_hash_of_the_id_as_text() -> None:
    keys = row_keys(pl.DataFrame({"id": [7, 8], "x": [1, 1]}), "id")
    assert keys.to_list() == [hashlib.blake2b(text, digest_size=8).hexdigest() for text in (b"7", b"8")]


@pytest.mark.parametrize(
    "ids",
    [["9" * 25, "9" * 24 + "8"], pl.Series([2**64 - 1, 2**64 - 2], dtype=pl.UInt64), [-(2**63), 2**63 - 1]],
    ids=["text", "unsigned", "64 bits"],
)
def test_long_ids_are_told_apart(ids: Any) -> None:
    assert row_keys(pl.DataFrame({"id": ids}), "id").n_unique() == 2


def test_the_other_columns_do_not_matter_where_there_is_an_id() -> None:
    before, after = pl.DataFrame({"id": ["a"], "x": [1]}), pl.DataFrame({"id": ["a"], "x": [2]})
    assert row_keys(before, "id").to_list() == row_keys(after, "id").to_list()


def test_equal_rows_have_equal_keys_whatever_the_order_of_columns() -> None:
    day = date(2024, 1, 1)
    frame = pl.DataFrame({"x": [1, 2, 1], "d": [day, None, day], "b": [b"\xff", b"", b"\xff"]})
    keys = row_keys(frame, None)
    assert keys[0] == keys[2] != keys[1]
    assert row_keys(frame.select("b", "x", "d"), None).to_list() == keys.to_list()


def test_separators_and_missing_marks_are_not_confused_with_data() -> None:
    texts = [None, "", ":", "-", "1:a", "a", "null", "0:", "a1:b", "b", "2:"]
    frame = pl.DataFrame([(p, q) for p in texts for q in texts], schema={"p": pl.String, "q": pl.String}, orient="row")
    assert row_keys(frame, None).n_unique() == len(texts) ** 2


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", None, None], "'id' is missing in 2 of 3 rows"),
        ([1.0, float("nan"), 2.0], "'id' is missing in 1 of 3 rows"),
        (["b", "a", "b"], "1 ids of 'id' stand in more than one row: 'b'"),
        ([*range(7), *range(7)], "7 ids .*: '0', '1', '2', '3', '4'; "),
    ],
    ids=["missing", "nan", "twice", "many twice"],
)
def test_refuses_ids_that_do_not_tell_rows_apart(ids: list[object], message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        row_keys(pl.DataFrame({"id": ids}), "id")


def test_refuses_an_id_that_is_not_there_and_rows_without_a_text_form() -> None:
    with pytest.raises(DataValidationError, match="no column 'ids'"):
        row_keys(pl.DataFrame({"id": [1]}), "ids")
    with pytest.raises(DataValidationError, match="no columns"):
        row_keys(pl.DataFrame(), None)


def test_a_fingerprint_does_not_depend_on_the_order() -> None:
    assert (
        fingerprint(pl.Series(["b", "a"])) == fingerprint(pl.Series(["a", "b"])) == hashlib.sha256(b"a\nb").hexdigest()
    )
    assert fingerprint(pl.Series(["a"])) != fingerprint(pl.Series(["a", "b"]))
