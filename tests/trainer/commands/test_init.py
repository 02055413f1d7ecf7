"""`trainer init`: what is suspected, what is drafted, that drafts are correct and run, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trainer.__main__ import main
from trainer.commands.init import make_draft, pipeline_name
from trainer.commands.step import run_step
from trainer.drafting.draft import draft_pipeline
from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import CsvSource, TabularPipeline, load_pipeline, parse_pipeline
from trainer.run import RunFolder
from trainer.run.records import FeaturesResult, TuneResult, ValidateResult

ROWS = 400


def table(**columns: object) -> pl.DataFrame:
    random = np.random.default_rng(1)
    signal = random.normal(size=ROWS)
    leaves = signal + random.normal(size=ROWS) > 0.5
    return pl.DataFrame({
        "customer id": [f"c{at:04d}" for at in range(ROWS)],
        "age": [str(value) if value % 7 else "n/a" for value in random.integers(18, 80, ROWS)],
        "signal": signal.round(3),
        "code": [f"0{at % 3}" for at in range(ROWS)],
        "same": ["x"] * ROWS,
        "since": [f"2024-01-{1 + at % 28:02d}" for at in range(ROWS)],
        "note": [f"text {at // 2}" for at in range(ROWS)],
        "closed": [2.5 if one else 1.0 for one in leaves],
        "leaves": ["Yes" if one else "No" for one in leaves],
        **columns,
    })


@pytest.fixture
def weird(tmp_path: Path) -> Path:
    """With a byte-order mark, an id, a constant, a date, a leak, codes with a leading 0, texts for missing values."""
    file = tmp_path / "Weird file-1.csv"
    file.write_bytes(b"\xef\xbb\xbf" + table().write_csv().encode())
    return file


def houses(tmp_path: Path) -> Path:
    random = np.random.default_rng(2)
    a, b, c = random.integers(0, 900, (3, ROWS))
    file = tmp_path / "houses.parquet"
    pl.DataFrame({"casual": a, "registered": b, "rooms": c, "cnt": a + b}).write_parquet(file)
    return file


def flowers(tmp_path: Path) -> Path:
    random = np.random.default_rng(3)
    kinds = random.integers(0, 3, ROWS)
    file = tmp_path / "flowers.csv"
    frame = {"petal": (kinds + random.normal(size=ROWS)).round(3), "kind": [f"kind {kind}" for kind in kinds]}
    pl.DataFrame(frame).write_csv(file)
    return file


def test_what_is_suspected_and_why(weird: Path) -> None:
    draft = make_draft(str(weird), "leaves", None, "weird")
    assert {column.name: column.suspicion for column in draft.columns if column.suspicion} == {
        "customer id": "id",
        "same": "constant",
        "since": "time",
        "note": "texts",
        "closed": "leak",
    }
    assert draft.source.missing == ["n/a"]
    assert draft.source.types["age"] == "integer"
    assert draft.source.types["code"] == "string", "a leading 0 makes it a code"
    assert "ROC-AUC 1.000" in next(column.why for column in draft.columns if column.name == "closed")


def test_ids_and_amounts_are_told_apart(tmp_path: Path) -> None:
    columns = {
        "price_paid": range(1000, 1000 + 7 * ROWS, 7),
        "width": range(0, 3 * ROWS, 3),
        "total": range(ROWS),
        "orderKey": range(5, 5 + 7 * ROWS, 7),
        "long": [f"123456789012345{at:05d}" for at in range(ROWS)],
        "fee": [f"${2 * at + 7:,}.50" for at in range(ROWS)],
        "said": [f"number {at}" for at in range(ROWS)],
        "padded": [f" {at % 50} " for at in range(ROWS)],
    }
    draft = make_draft(written(tmp_path, table(**columns)), "leaves", None, "data")
    kinds = {column.name: column.suspicion for column in draft.columns if column.name in columns}
    assert kinds == {
        "price_paid": None, "width": None, "total": None, "orderKey": "id", "long": "id", "fee": "numbers",
        "said": "texts", "padded": None,
    }  # fmt: skip
    assert (draft.source.types["long"], draft.source.types["padded"]) == ("string", "integer")
    assert draft.frame["padded"].to_list()[:2] == [0, 1]
    assert "TRY_CAST(REPLACE(\\\"fee\\\", '$', '') AS DOUBLE)" in draft_pipeline(draft)


@pytest.mark.parametrize(
    ("countries", "rows", "suspicion", "encoding"),
    [(60, 600, None, "target"), (61, 600, "texts", "one_hot"), (40, 400, None, "one_hot")],
    ids=["ten rows each", "fewer", "few values"],
)
def test_texts_are_categories_by_their_rows_per_value(
    countries: int, rows: int, suspicion: str | None, encoding: str, tmp_path: Path
) -> None:
    file = tmp_path / "stays.csv"
    numbers = np.arange(rows)
    country = [f"land {number % countries}" for number in numbers]
    pl.DataFrame({"country": country, "price": np.sin(numbers).round(4)}).write_csv(file)
    draft = make_draft(str(file), "price", None, "stays")
    assert draft.columns[0].suspicion == suspicion
    given = parse_pipeline(draft_pipeline(draft), "stays.yaml")
    assert isinstance(given, TabularPipeline)
    assert given.preprocess.categorical == encoding
    assert (suspicion == "texts") == ("country" in given.columns.exclude)


@pytest.mark.parametrize(
    ("days", "kind", "line"),
    [
        (28, "time", "split: {KIND: time}   # the newest rows judge; use hash where since is not the time"),
        (4, "hash", "# Rows are split by a hash, not by time: the training rows would have 2 different times"),
    ],
    ids=["many days", "few days"],
)
def test_a_time_column_drafts_a_split_by_time(days: int, kind: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "leavers.csv"
    table(since=[f"2024-01-{1 + at % days:02d}" for at in range(ROWS)]).write_csv(file)
    text = draft_pipeline(make_draft(str(file), "leaves", None, "leavers"))
    assert line in text
    assert parse_pipeline(text, "leavers.yaml").split.KIND == kind


def test_a_sum_that_is_the_target_is_found(tmp_path: Path) -> None:
    draft = make_draft(str(houses(tmp_path)), "cnt", None, "houses")
    assert draft.problem.name == "regression"
    assert {column.name: column.why.split(" in ")[0] for column in draft.excluded} == dict.fromkeys(
        ("casual", "registered"), "casual + registered = cnt"
    )


def test_an_index_of_pandas_is_drafted_as_the_id_or_left_out(tmp_path: Path) -> None:
    frame = table().drop("age", "note").to_pandas()
    frame[frame.signal > -1].set_index("customer id").to_parquet(tmp_path / "named.parquet")
    draft = make_draft(str(tmp_path / "named.parquet"), "leaves", None, "named")
    assert draft.id == "customer id"
    frame[frame.signal > -1].to_parquet(tmp_path / "unnamed.parquet")
    draft = make_draft(str(tmp_path / "unnamed.parquet"), "leaves", None, "unnamed")
    assert draft.id == "customer id"
    assert "__index_level_0__" not in [column.name for column in draft.columns]


def test_a_counter_is_excluded(tmp_path: Path) -> None:
    draft = make_draft(written(tmp_path, table(**{"Unnamed: 0": range(ROWS)})), "leaves", None, "data")
    assert (draft.id, {column.name: column.suspicion for column in draft.excluded}["Unnamed: 0"]) == (
        "customer id", "counter",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_check_accepts_the_draft(kind: str, weird: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, target = {"binary": (weird, "leaves"), "multiclass": (flowers(tmp_path), "kind"),
                    "regression": (houses(tmp_path), "cnt")}[kind]  # fmt: skip
    output = tmp_path / f"{kind}.yaml"
    assert main(["init", str(file), "--target", target, "--name", kind, "--output", str(output)]) == 0
    assert main(["check", str(output)]) == 0
    assert f"{output}: {kind}: correct" in capsys.readouterr().out
    assert load_pipeline(output).problem.startswith(kind)


def test_the_table_says_what_was_seen_and_where_the_draft_is(
    weird: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "include" / "pipelines").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(["init", str(weird), "--target", "leaves"]) == 0
    said = capsys.readouterr().out
    assert "texts that mean a missing value: 'n/a'" in said
    assert "same: constant: has one value at the most" in said
    assert "include/pipelines/weird_file_1.yaml: written; read it, then: make run PIPELINE=weird_file_1" in said
    assert load_pipeline(Path("include/pipelines/weird_file_1.yaml")).name == "weird_file_1"


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_separator_is_found(separator: str, weird: Path, tmp_path: Path) -> None:
    file, output = tmp_path / "other.csv", tmp_path / "other.yaml"
    pl.read_csv(weird, infer_schema=False).write_csv(file, separator=separator)
    assert main(["init", str(file), "--target", "leaves", "--output", str(output)]) == 0
    assert main(["check", str(output)]) == 0
    source = load_pipeline(output).source
    assert isinstance(source, CsvSource)
    assert source.separator == separator


def test_without_a_folder_of_pipelines_the_draft_needs_a_place(
    weird: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", str(weird), "--target", "leaves"]) == 2
    assert "there is no folder include/pipelines here; --output names another file" in caplog.text


def test_a_draft_runs_to_an_end(weird: Path, tmp_path: Path, surroundings) -> None:
    output = tmp_path / "weird.yaml"
    assert main(["init", str(weird), "--target", "leaves", "--name", "weird", "--output", str(output)]) == 0
    parameters = '{"tuning": false, "algorithms": ["random_forest"]}'
    folder = str(tmp_path / "run")
    assert main(["train", "--config", str(output), "--run", folder, "--parameters", parameters]) == 0
    assert '"outcome": "promote"' in RunFolder.open(folder).at("decide").read_text("decision.json")


def test_a_file_that_is_there_stays(weird: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    output = tmp_path / "mine.yaml"
    output.write_text("mine")
    arguments = ["init", str(weird), "--target", "leaves", "--output", str(output)]
    assert main(arguments) == 2
    assert "--force overwrites it" in caplog.text
    assert output.read_text() == "mine"
    assert main([*arguments, "--force"]) == 0
    assert load_pipeline(output).columns.positive == "Yes"


def written(tmp_path: Path, frame: pl.DataFrame) -> str:
    frame.write_csv(tmp_path / "data.csv")
    return str(tmp_path / "data.csv")


@pytest.mark.parametrize(
    ("frame", "target", "problem", "error", "message"),
    [
        (table(), "leavs", None, ConfigurationError, "no column 'leavs'; did you mean 'leaves'"),
        (table(), "same", None, DataValidationError, "'same' is 'x' in every row"),
        (table(), "age", None, DataValidationError, r"'age' is missing in \d+ of 400 rows"),
        (table(), "note", None, DataValidationError, "'note' has 200 classes, 20 at most"),
        (table(), "code", "binary_classification", DataValidationError, "3 classes, 2 at most"),
        (table(), "leaves", "regression", DataValidationError, "a regression needs numbers"),
        (table().head(50), "leaves", None, DataValidationError, "50 rows are too few"),
        (table(rare=["a"] * 397 + ["b"] * 3), "rare", None, DataValidationError, "'b' in 3 rows only"),
    ],
    ids=["no target", "constant", "missing", "many classes", "not binary", "no number", "few rows", "rare class"],
)  # fmt: skip
def test_what_cannot_be_learned_is_refused(
    frame: pl.DataFrame, target: str, problem: str | None, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        make_draft(written(tmp_path, frame), target, problem, "data")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataValidationError, match=r"nowhere\.csv: there is no such file"):
        make_draft(str(tmp_path / "nowhere.csv"), "x", None, "x")


@pytest.mark.parametrize(
    ("file", "name"), [("a/Telco-Customer.csv", "telco_customer"), ("s3://b/2024 sales.parquet", "data_2024_sales")]
)
def test_the_name_follows_the_file(file: str, name: str) -> None:
    assert pipeline_name(file) == name


def awkward_targets() -> dict[str, list[object]]:
    leaves = table()["leaves"] == "Yes"
    return {
        "floats": [1.0 if one else 0.0 for one in leaves],
        "booleans": ["true" if one else "false" for one in leaves],
        "words of Python": ["True" if one else "False" for one in leaves],
        "blanks": [" yes" if one else "no " for one in leaves],
        "codes": ["01" if one else "00" for one in leaves],
    }


@pytest.mark.parametrize("kind", [*awkward_targets()])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_draft_of_any_target_gets_through_tuning(kind: str, suffix: str, tmp_path: Path, surroundings) -> None:
    _, run = tuned(table(leaves=awkward_targets()[kind]).select("signal", "leaves"), tmp_path, suffix)
    assert (run.at("tune", "random_forest").result(TuneResult).cv_mean or 0) > 0.6
    assert run.at("validate").result(ValidateResult).failed == []


@pytest.mark.parametrize(
    ("texts", "kind", "comment"),
    [
        (["03/04/2026", "03/14/2026"], "date_month_first", ""),
        (["04/03/2026 10:00", "14/03/2026 11:30"], "datetime_day_first", ""),
        (["03/04/2026", "05/06/2026"], "string", "date_day_first and date_month_first both fit, such as 03/04/2026"),
        (["2026-07-01T12:30:00Z", "2026-07-01T14:30:00+02:00"], "datetime", ""),
    ],
    ids=["month", "day", "both", "zoned"],
)
def test_dates_are_drafted_with_their_order(texts: list[str], kind: str, comment: str, tmp_path: Path) -> None:
    file = written(tmp_path, table(at=texts * (ROWS // 2)))
    draft = make_draft(file, "leaves", None, "data")
    assert draft.source.types["at"] == kind
    assert comment in next(line for line in draft_pipeline(draft).splitlines() if line.startswith('    "at":'))


def tuned(frame: pl.DataFrame, folder: Path, suffix: str = "csv") -> tuple[TabularPipeline, RunFolder]:
    """A table's draft, and its run as far as tuning."""
    file, output, run = folder / f"data.{suffix}", folder / "data.yaml", RunFolder.open(str(folder / "run"))
    getattr(frame, f"write_{suffix}")(file)
    assert main(["init", str(file), "--target", "leaves", "--output", str(output)]) == 0
    assert main(["check", str(output)]) == 0
    given = load_pipeline(output).for_run({"tuning": False, "algorithms": ["random_forest"]})
    assert isinstance(given, TabularPipeline)
    for step in ("start", "ingest", "validate", "engineer_features"):
        run_step(step, run, given)
    run_step("tune", run, given, "random_forest")
    return given, run


def test_a_date_in_several_columns_is_drafted_and_used(tmp_path: Path, surroundings) -> None:
    days = pl.date_range(pl.date(2025, 1, 1), pl.date(2026, 2, 4), eager=True)
    rows = table().select("signal", "leaves").with_columns(
        year=days.dt.year(), month=days.dt.month(), day=days.dt.day()
    )  # fmt: skip
    given, run = tuned(rows, tmp_path)
    assert given.source.dates["date"].columns == ["year", "month", "day"]
    assert given.columns.time == "date"
    assert given.features.derive == {"date_weekday": 'EXTRACT(isodow FROM "date")'}, "the month is there already"
    assert run.at("engineer_features").result(FeaturesResult).for_features == ["date"]


def test_numbers_are_drafted_of_dates_and_texts_that_are_no_inputs(tmp_path: Path, surroundings) -> None:
    hours = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 17, 15), "1h", eager=True)
    given, _ = tuned(table().select("signal", "leaves", "since", "note").with_columns(seen=hours), tmp_path)
    assert (given.columns.time, given.columns.exclude) == ("since", ["note", "seen"])
    assert given.features.derive == {
        "since_weekday": 'EXTRACT(isodow FROM "since")',
        "note_length": 'LENGTH("note")',
        "seen_weekday": 'EXTRACT(isodow FROM "seen")',
        "seen_hour": 'EXTRACT(hour FROM "seen")',
    }
