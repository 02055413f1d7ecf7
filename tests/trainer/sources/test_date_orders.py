"""Dates with the year last: their order is declared, evident, or refused; never assumed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.pipeline import CsvSource, ParquetSource
from trainer.sources.readers import read_source


def read(
    folder: Path, *files: Sequence[str | None], types: Any = None, kind: str = "csv"
) -> tuple[list[Any], list[str]]:
    """What stands in the column `at` of files with these texts, and the notes."""
    for number, texts in enumerate(files):
        frame = pl.DataFrame({"at": texts, "x": ["a"] * len(texts)})
        getattr(frame, f"write_{kind}")(folder / f"{number}.{kind}")
    given: dict[str, Any] = {"uri": str(folder), "types": types or {}}
    source = CsvSource(**given) if kind == "csv" else ParquetSource(**given)
    rows, lineage = read_source(source)
    return rows["at"].to_list(), list(lineage.notes)


@pytest.mark.parametrize("types", [None, {"at": "date"}], ids=["not declared", "declared"])
@pytest.mark.parametrize(
    ("texts", "order"),
    [(["03/04/2026", "03/14/2026"], "month"), (["04/03/2026", "14/03/2026"], "day"), (["4-3-2026", "14-3-2026"], "day")],
)  # fmt: skip
def test_the_only_order_that_fits_is_taken_and_noted(texts: list[str], order: str, types: Any, tmp_path: Path) -> None:
    found, notes = read(tmp_path, texts, types=types)
    assert found == [date(2026, 3, 4), date(2026, 3, 14)]
    assert notes == [f"column 'at': dates are read with the {order} first, the only order that fits {texts[1]!r}"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("texts", "declared"),
    [(["03/04/2026", "05/06/2026"], "date"), (["03/04/2026 10:30", "05/06/2026 11:30"], "datetime")],
    ids=["date", "datetime"],
)
def test_where_both_fit_the_order_has_to_be_declared(
    texts: list[str], declared: str, kind: str, tmp_path: Path
) -> None:
    message = (
        rf"column 'at': 2 dates such as '03/04/2026.*' can be read day or month first; declare {declared}_day_first or "
        rf"{declared}_month_first under `source.types`"
    )
    with pytest.raises(DataValidationError, match=message):
        read(tmp_path, texts, types={"at": declared}, kind=kind)
    found, notes = read(tmp_path, texts, types={"at": f"{declared}_month_first"}, kind=kind)
    assert [(at.month, at.day) for at in found] == [(3, 4), (5, 6)]
    assert notes == []
    found, _ = read(tmp_path, texts, types={"at": f"{declared}_day_first"}, kind=kind)
    assert [(at.month, at.day) for at in found] == [(4, 3), (6, 5)]


def test_texts_that_nobody_declared_are_refused_too_unless_they_are_to_stay_texts(tmp_path: Path) -> None:
    with pytest.raises(DataValidationError, match="can be read day or month first"):
        read(tmp_path, ["03/04/2026", None])
    assert read(tmp_path, ["03/04/2026", None], types={"at": "string"})[0] == ["03/04/2026", None]
    assert read(tmp_path, ["03/04/2026", "soon"])[0] == ["03/04/2026", "soon"]


def test_days_that_are_their_months_have_no_order(tmp_path: Path) -> None:
    assert read(tmp_path, ["03/03/2026", "04/04/2026"]) == ([date(2026, 3, 3), date(2026, 4, 4)], [])


def test_files_of_one_table_have_one_order(tmp_path: Path) -> None:
    found, _ = read(tmp_path, ["03/04/2026"], ["03/14/2026"], types={"at": "date"})
    assert found == [date(2026, 3, 4), date(2026, 3, 14)]
    with pytest.raises(
        DataValidationError, match="'at' is declared date_day_first, and 1 of 1 values are not: '03/14/2026'"
    ):
        read(tmp_path, ["25/12/2026", "26/12/2026"], ["03/14/2026"], types={"at": "date"})


def test_another_order_than_the_declared_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataValidationError, match="is declared date_day_first, and 1 of 2 values are not: '03/14/2026'"
    ):
        read(tmp_path, ["03/04/2026", "03/14/2026"], types={"at": "date_day_first"})


def test_a_date_that_comes_late_is_not_assumed_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.sources.files.csv_reader.FIRST_ROWS", 2)
    with pytest.raises(DataValidationError, match="can be read day or month first"):
        read(tmp_path, [None, None, None, "03/04/2026", "05/06/2026"])
    assert read(tmp_path, [None, None, "2026-03-04 10:00"])[0] == [None, None, datetime(2026, 3, 4, 10)]
