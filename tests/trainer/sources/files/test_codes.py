"""Codes with leading zeros stay strings; numbers stay numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.pipeline import CsvSource
from trainer.sources.files import csv_reader
from trainer.sources.readers import read_source

FEW = 3


@pytest.fixture(autouse=True)
def _few_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "FIRST_ROWS", FEW)


def read(folder: Path, values: list[str], **settings: Any) -> tuple[pl.Series, Sequence[str]]:
    (folder / "rows.csv").write_text("\n".join(["x,y", *(f"{value},1" for value in values)]) + "\n")
    frame, lineage = read_source(CsvSource(uri=str(folder / "*.csv"), **settings))
    return frame[settings.get("rename", {}).get("x", "x")], lineage.notes


@pytest.mark.parametrize(
    "values",
    [["01067", "80331"], ["80331", "80333", "80335", "80337", "01067"], ["", "01067"]],
    ids=["first", "after-the-first-rows", "beside-a-missing-one"],
)
def test_leading_zeros_are_kept_with_a_note(tmp_path: Path, values: list[str]) -> None:
    found, notes = read(tmp_path, values)
    assert found.to_list() == [value or None for value in values]
    (said,) = notes
    assert said.startswith(
        "column 'x': values such as '01067' have leading zeros, so they are kept as strings; declare"
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [(["0", "10"], [0, 10]), (["0.5", "-0.25"], [0.5, -0.25]), (["-01", "02"], ["-01", "02"]), (["01", "a"], None)],
    ids=["zero", "fractions", "negative", "texts"],
)
def test_what_has_leading_zeros(tmp_path: Path, values: list[str], expected: list[Any] | None) -> None:
    found, notes = read(tmp_path, values)
    assert found.to_list() == (expected or values)
    assert bool(notes) == (values == ["-01", "02"])


def test_a_declared_type_and_the_parts_of_a_date_are_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, ["01067"], rename={"x": "zip"}, types={"zip": "integer"})[0].to_list() == [1067]
    dates = {"seen": {"year": "year", "month": "x"}}
    (tmp_path / "rows.csv").write_text("x,year\n01,2026\n")
    assert read_source(CsvSource(uri=str(tmp_path / "rows.csv"), dates=dates))[0]["x"].to_list() == [1]


def test_leading_zeros_in_one_of_several_files_keep_those_of_all(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("x,y\n80331,1\n")
    assert read(tmp_path, ["01067"])[0].to_list() == ["80331", "01067"]
