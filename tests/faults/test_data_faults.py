"""Faults of the data, through the real steps: refused in time, said in one mail, and nothing moves."""

from __future__ import annotations

import csv
import gzip
import io
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.faults.harness import ROWS, World, assert_refused, nothing_moves
from trainer.isolated.scoring import score_in_isolation
from trainer.run.records import IngestResult, ValidateResult
from trainer.summary.summary import build_summary
from trainer.tables.handover import SNAPSHOT

Spoil = Callable[[World], World | None]
"""What is done to the data, and to the pipeline where another world is given back."""


def cells(column: str, *values: str) -> Spoil:
    """Other values in the first rows of a column, or in all rows where there is one value and `…` after it."""

    def spoil(world: World) -> None:
        rows = list(csv.reader(io.StringIO(world.data.read_text())))
        place = rows[0].index(column)
        chosen = [values[0]] * ROWS if values[-1] == "…" else list(values)
        for row, value in zip(rows[1:], chosen, strict=False):
            row[place] = value
        write(world, rows)

    return spoil


def columns(edit: Callable[[list[list[str]]], list[list[str]]]) -> Spoil:
    """Other columns; the first row is the header."""
    return lambda world: write(world, edit(list(csv.reader(io.StringIO(world.data.read_text())))))


def write(world: World, rows: list[list[str]]) -> None:
    with world.data.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def content(edit: Callable[[bytes], bytes]) -> Spoil:
    """Other bytes."""
    return lambda world: write_bytes(world.data, edit(world.data.read_bytes()))


def write_bytes(file: Path, new: bytes) -> None:
    file.write_bytes(new)


def without(column: str) -> Spoil:
    def edit(rows: list[list[str]]) -> list[list[str]]:
        place = rows[0].index(column)
        return [row[:place] + row[place + 1 :] for row in rows]

    return columns(edit)


def line(number: int, edit: Callable[[str], str]) -> Spoil:
    def spoil(world: World) -> None:
        lines = world.data.read_text().split("\n")
        lines[number - 1] = edit(lines[number - 1])
        world.data.write_text("\n".join(lines))

    return spoil


def no_target(world: World) -> World:
    without("Churn")(world)
    rename = {old: new for old, new in world.document["source"]["rename"].items() if old != "Churn"}
    return world.having(source={"rename": rename})


def folder(world: World) -> None:
    world.data.unlink()
    world.data.mkdir()


def parquet(cut: int) -> Spoil:
    """The same rows as Parquet, without the last bytes."""

    def spoil(world: World) -> World:
        file = io.BytesIO()
        pl.read_csv(world.data, infer_schema_length=None).write_parquet(file)
        world.data.with_suffix(".parquet").write_bytes(file.getvalue()[: -cut or None])
        return world.having(source={"KIND": "parquet", "uri": "customers.parquet"})

    return spoil


def parquet_as_csv(world: World) -> None:
    parquet(0)(world)
    world.data.with_suffix(".parquet").replace(world.data)


def old(world: World) -> World:
    long_ago = time.time() - 60 * 86_400
    os.utime(world.data, (long_ago, long_ago))
    checks = [{**check, "severity": "critical"} for check in world.document["validation"] if check.get("of")]
    return world.having(validation=checks)


def checksum(world: World) -> World:
    return world.having(source={"sha256": "0" * 64})


FAULTS: list[tuple[Any, ...]] = [
    ("missing file", lambda world: world.data.unlink(), "start"),
    ("folder", folder, "start"),
    ("empty", content(lambda _: b""), "ingest"),
    ("header only", content(lambda text: text.split(b"\n")[0] + b"\n"), "ingest"),
    ("cut off", content(lambda text: text[:-30]), "ingest"),
    ("cut-off Parquet", parquet(9), "ingest"),
    ("Parquet called CSV", parquet_as_csv, "ingest", r"this is no CSV but a Parquet file; name it with `KIND: parquet`"),
    ("cut-off gzip", content(lambda text: gzip.compress(text)[:-99]), "ingest"),
    ("rows of mixed width", line(7, lambda text: text + ",x"), "ingest"),
    ("open quote", line(9, lambda text: '"' + text), "ingest"),
    ("another separator", content(lambda text: text.replace(b",", b";")), "ingest"),
    ("column twice", line(1, lambda text: text.replace("gender", "tenure")), "ingest"),
    ("column without a name", columns(lambda rows: [["", *rows[0]], *(["1", *row] for row in rows[1:])]), "ingest"),
    ("column missing", without("MonthlyCharges"), "ingest"),
    ("another type", cells("tenure", "one", "two", "three", "four", "five", "six"), "ingest"),
    ("decimal comma", cells("MonthlyCharges", "29,85", "30,5"), "ingest",
     r"'monthly_charges' is declared float, and 2 of 1500 values are not: '29,85', '30,5'; the decimal sign has to be"),
    ("Latin-1", content(lambda text: text.replace(b"Mailed check", b"Scheck f\xfcr", 2)), "ingest"),
    ("UTF-16", content(lambda text: text.decode().encode("utf-16")), "ingest"),
    ("wrong checksum", checksum, "ingest"),
    ("target column missing", no_target, "validate", r"customers.csv: columns.target: there is no column 'churn'"),
    ("target missing", cells("Churn", "", ""), "validate",
     r"'churn' is missing in 2 of 1500 rows \(0.13%\), such as row 1, row 2; .*mend or leave out these rows"),
    ("one class", cells("Churn", "No", "…"), "validate", r"needs exactly two values .*, and has 1: 'No'; see `problem`"),
    ("feature without values", cells("gender", "", "…"), "validate"),
    ("infinite", cells("TotalCharges", "inf", "-inf"), "validate"),
    ("blanks", cells("MonthlyCharges", "", "", ""), "validate",
     r"not_be_null\(monthly_charges\): 3 values \(0.20 %\) break it; such as row 1, row 2, row 3"),
    ("out of range", cells("tenure", "999", "-5"), "validate",
     r"\(tenure\): 2 values \(0.13 %\) break it; such as 999, -5; expected min_value 0, max_value 120"),
    ("unknown category", cells("Contract", "Weekly"), "validate",
     r"\(contract\): 1 value \(0.07 %\) breaks it; such as Weekly; expected value_set"),
    ("ids twice", cells("customerID", *["7590-VHVEG"] * 3), "validate",
     r"be_unique\(customer_id\): 3 values \(0.20 %\) break it; such as 7590-VHVEG"),
    ("stale", old, "validate", r"\(age_days\): 1 value .* breaks it; such as 60; expected max_value 35"),
    ("new column", columns(lambda rows: [[*rows[0], "Reason"], *([*row, "x" * (n % 3)] for n, row in enumerate(rows[1:]))]),
     "detect_drift", r"1 column is new since production .*: 'Reason'; .*`source.types` .* or list it under `columns.ex"),
    ("undeclared column of another type", cells("gender", *["1", "0"] * (ROWS // 2)), "detect_drift", r"'?gender'?"),
]  # fmt: skip
"""Each with the step that refuses it, and the message where no other test asserts it."""


@pytest.mark.parametrize(
    ("spoil", "step", "messages"),
    [pytest.param(*fault[:2], fault[2:], id=name.replace(" ", "-")) for name, *fault in FAULTS],
)
def test_data_is_refused(world: World, spoil: Spoil, step: str, messages: list[str]) -> None:
    world = spoil(world) or world
    with nothing_moves(world):
        assert_refused(world, world.run(), step, "DataValidationError", 3, *messages)


def test_a_file_that_goes_away_after_the_start(world: World) -> None:
    with nothing_moves(world):
        ended = world.run(before={"ingest": world.data.unlink})
        assert_refused(world, ended, "ingest", "DataValidationError", 3, "customers.csv: there is no such file")


class WrittenMeanwhile(LocalFileSystem):  # type: ignore[misc]
    """Local files that somebody else appends to as soon as they are looked at."""

    protocol = "meanwhile"

    def info(self, path: str, **options: Any) -> Any:
        found = super().info(path, **options)
        with Path(path).open("ab") as file:
            file.write(b"\n")
        return found


def test_a_file_that_changes_while_it_is_read_is_tried_again(world: World) -> None:
    fsspec.register_implementation("meanwhile", WrittenMeanwhile, clobber=True)
    changing = world.having(source={"uri": f"meanwhile://{world.data}"})
    with nothing_moves(changing):
        ended = changing.run()
        assert_refused(
            changing, ended, "ingest", "TrainerError", 1, r"customers.csv: the file changed while it was read"
        )


def test_the_exit_code_of_a_process_of_its_own(world: World) -> None:
    world.data.unlink()
    with nothing_moves(world):
        assert_refused(world, world.run(apart=True), "start", "DataValidationError", 3, "there is no such file")


def ingested(world: World) -> IngestResult:
    assert [world.step(name) for name in ("start", "ingest")] == [0, 0]
    return world.folder().at("ingest").result(IngestResult)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        gzip.compress,
        lambda text: text + b"\n\n",
    ],
    ids=["BOM", "CRLF", "gzip", "blank-lines"],
)
def test_the_same_rows_written_otherwise(world: World, intact: Path, edit: Callable[[bytes], bytes]) -> None:
    content(edit)(world)
    before = next((intact / ".runs").glob("*/*/ingest/result.json"))
    assert ingested(world).digest == IngestResult.model_validate_json(before.read_text()).digest


def test_a_line_break_inside_quotes_is_a_part_of_the_text(world: World) -> None:
    cells("PaymentMethod", "Mailed\ncheck")(world)
    assert ingested(world).rows == ROWS
    snapshot = pl.read_parquet(world.folder().at("ingest").path(SNAPSHOT))
    assert snapshot["payment_method"][0] == "Mailed\ncheck"


@pytest.mark.parametrize(
    ("spoil", "warning"),
    [
        (cells("gender", "Male", "…"), "input_is_not_constant(gender): all 1500 rows have one value"),
        (lambda world: old(world) and None, "expect_column_values_to_be_between(age_days): 1 unexpected"),
    ],
    ids=["constant-feature", "stale"],
)
def test_a_warning_is_told_and_the_run_goes_on(world: World, spoil: Spoil, warning: str) -> None:
    spoil(world)
    assert [world.step(name) for name in ("start", "ingest", "validate", "engineer_features")] == [0] * 4
    (found,) = world.folder().at("validate").result(ValidateResult).failed
    assert found.severity == "warning"
    validation = build_summary(world.folder()).validation
    assert validation is not None
    assert [text.startswith(warning) for text in validation["warnings"]] == [True]
    assert found.column in world.folder().at("validate").read_text("validation.html")


def test_a_category_that_training_did_not_see_is_predicted(world: World) -> None:
    ingested(world)
    rows = pl.read_parquet(world.folder().at("ingest").path(SNAPSHOT)).head(20)
    other = rows.with_columns(contract=pl.when(pl.int_range(20) < 3).then(pl.lit("Weekly")).otherwise("contract"))
    uri = "models:/churn-predictor@production"
    answers = score_in_isolation(uri, pl.concat([rows, other]), None).output["probability"].to_list()
    assert all(math.isfinite(answer) and 0 <= answer <= 1 for answer in answers)
    assert answers[23:] == pytest.approx(answers[3:20])
    assert [a != b for a, b in zip(answers[20:23], answers[:3], strict=True)] == [True] * 3
