"""Files of JSON Lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.errors import DataValidationError
from trainer.pipeline import JsonLinesSource
from trainer.sources.readers import read_source


def test_keys_are_columns_and_a_key_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one\\ntwo", "n": 1}\n{"text": "", "n": 2, "more": true}\n')
    (tmp_path / "b.ndjson").write_text('{"n": 3.5, "text": "three", "more": null}\n')
    rows, lineage = read_source(JsonLinesSource(uri=str(tmp_path), rename={"n": "number"}))
    assert rows.rows() == [("one\ntwo", 1.0, None), (None, 2.0, True), ("three", 3.5, None)]
    assert rows.columns == ["text", "number", "more"]
    assert lineage.kind == "jsonl"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a"}\n\n{"text": \n', "line 3 is not JSON: .*each line has to be an object"),
        ('{"text": "a"}\n["b"]\n', "line 2 is a list, expected an object such as"),
        ("", "the file is empty"),
    ],
    ids=["cut off", "a list", "empty"],
)
def test_a_wrong_line_is_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(DataValidationError, match=rf"a\.jsonl: {message}"):
        read_source(JsonLinesSource(uri=str(tmp_path / "a.jsonl")))
