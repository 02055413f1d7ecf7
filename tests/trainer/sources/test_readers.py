"""Sources: a typed table from anywhere, and words to act on where there is none."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from trainer.errors import ConfigurationError, DataValidationError, TrainerError
from trainer.pipeline import AnySource, CsvSource, ParquetSource, SampleSource
from trainer.sources.readers import READERS, location_of, open_source, read_source, write_source

CSV = """Customer ID,Tenure,Charges,Seen,Code
a,1,10.5,2026-01-01,007
b, ,n/a,2026-01-02,008
c,3,,2026-01-03,
"""
RENAME = {"Customer ID": "customer", "Tenure": "tenure"}


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text(CSV, encoding="utf-8")
    return file


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"a": ["x", "?", ""], "n": ["1", "2", None]}).write_parquet(file)
    return file


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a real HTTP server over the test's folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_csv_is_renamed_typed_and_has_its_missing_values(csv: Path) -> None:
    source = CsvSource(
        uri=csv.as_uri(), missing=[" ", "n/a"], rename=RENAME, types={"tenure": "integer", "Code": "string"}
    )
    expected = {
        "customer": ["a", "b", "c"],
        "tenure": [1, None, 3],
        "Charges": [10.5, None, None],
        "Seen": [date(2026, 1, day) for day in (1, 2, 3)],
        "Code": ["007", "008", None],
    }
    assert read_source(source)[0].to_dict(as_series=False) == expected


def test_a_declared_type_is_never_guessed_first(csv: Path) -> None:
    source = CsvSource(uri=csv.as_uri(), types={"Code": "string", "Customer ID": "string"})
    assert read_source(source)[0]["Code"].to_list() == ["007", "008", None]


def test_a_separator_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a;b\n1;2\n", encoding="utf-8")
    assert read_source(CsvSource(uri=str(tmp_path / "rows.csv"), separator=";"))[0].to_dicts() == [{"a": 1, "b": 2}]


def test_a_value_of_another_type_is_named_with_column_count_and_examples(csv: Path) -> None:
    source = CsvSource(uri=csv.as_uri(), missing=[" "], types={"Charges": "float"})
    with pytest.raises(DataValidationError, match=r"rows.csv: column 'Charges' is declared float, and 1 of 3.*'n/a'"):
        read_source(source)


def test_columns_to_rename_that_are_missing_are_named(csv: Path) -> None:
    source = CsvSource(uri=csv.as_uri(), rename={"Tenur": "tenure"})
    with pytest.raises(
        DataValidationError,
        match=r"columns to rename are missing: Tenur; did you mean 'Tenure'\? .*mend the data or `source.rename`",
    ):
        read_source(source)


def test_a_typed_column_that_is_missing_is_named(csv: Path) -> None:
    source = CsvSource(uri=csv.as_uri(), types={"Charge": "float"})
    with pytest.raises(DataValidationError, match=r"the column 'Charge' is missing; did you mean 'Charges'\?"):
        read_source(source)


@pytest.mark.parametrize("kind", [CsvSource, ParquetSource], ids=["csv", "parquet"])
def test_a_missing_file(kind: type[CsvSource | ParquetSource], tmp_path: Path) -> None:
    source = kind(uri=(tmp_path / "none").as_uri())
    with pytest.raises(DataValidationError, match=r"none: there is no such file"):
        read_source(source)


def parquet_bytes() -> bytes:
    content = io.BytesIO()
    pl.DataFrame({"a": range(100)}).write_parquet(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (CsvSource, b"a,b\n1,2,3\n", r"rows: the header has 2 fields, and 1 of 1 rows have not: line 2 has 3;"),
        (CsvSource, b"", r"rows: the file is empty \(0 bytes\)"),
        (CsvSource, b"\n\n", r"rows: cannot be read as CSV: empty CSV"),
        (CsvSource, b"a,b\n1,M\xfcller\n", r"1 line is no UTF-8: line 2 \(b'1,M\\xfcller\\n'\)"),
        (CsvSource, b"a;b\n1;2\n", r"one column, 'a;b'; is it ';'\? Say so under `source.separator`"),
        (ParquetSource, b"no parquet at all", "cannot be read as Parquet: .*; fetch or write it again"),
        (ParquetSource, b"", r"rows: the file is empty \(0 bytes\)"),
        (ParquetSource, parquet_bytes()[:-20], r"it was cut off after \d+ bytes, before its footer.* write it again"),
        (ParquetSource, parquet_bytes()[:20] + b"x" * 80 + parquet_bytes()[100:], "cannot be read as Parquet"),
    ],
    ids=["ragged", "empty", "blank", "latin-1", "separator", "no-parquet", "empty-parquet", "cut-parquet", "damaged-parquet"],
)  # fmt: skip
def test_an_unreadable_file(
    kind: type[CsvSource | ParquetSource], content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "rows").write_bytes(content)
    with pytest.raises(DataValidationError, match=message):
        read_source(kind(uri=(tmp_path / "rows").as_uri()))


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode("utf-8-sig"), CSV.replace("\n", "\r\n").encode(), gzip.compress(CSV.encode()),
        CSV.replace("\na,", '\n"a\na",').encode(), CSV.replace("c,", "\nc,").encode() + b"\n",
    ],
    ids=["BOM", "CRLF", "gzip", "quoted-newline", "blank-lines"],
)  # fmt: skip
def test_a_file_written_otherwise(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    frame = read_source(CsvSource(uri=str(tmp_path / "rows.csv"), missing=[" ", "n/a"], rename=RENAME))[0]
    assert frame.columns == ["customer", "tenure", "Charges", "Seen", "Code"]
    assert frame["tenure"].to_list() == [1, None, 3]


def test_a_name_that_another_column_has(csv: Path) -> None:
    with pytest.raises(DataValidationError, match=r"a name that another one has already: Charges; choose another"):
        read_source(CsvSource(uri=str(csv), rename={"Tenure": "Charges"}))
    swapped = read_source(CsvSource(uri=str(csv), rename={"Tenure": "Charges", "Charges": "Tenure"}))[0]
    assert swapped["Tenure"].to_list() == ["10.5", "n/a", None]


@pytest.mark.parametrize("kind", [CsvSource, ParquetSource], ids=["csv", "parquet"])
def test_a_file_with_another_checksum(kind: type[CsvSource | ParquetSource], csv: Path, parquet: Path) -> None:
    file = csv if kind is CsvSource else parquet
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    assert read_source(kind(uri=str(file), sha256=found))[0].height == 3
    with pytest.raises(DataValidationError, match=rf"its SHA-256 is {found} .*, expected is {'0' * 64}; bring"):
        read_source(kind(uri=str(file), sha256="0" * 64))


def test_an_unknown_protocol_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="gopher"):
        read_source(CsvSource(uri="gopher://host/rows.csv"))


def test_parquet_by_columns_with_missing_marks_and_types(parquet: Path) -> None:
    source = ParquetSource(uri=parquet.as_uri(), missing=["?"], types={"n": "integer"})
    assert read_source(source)[0].to_dict(as_series=False) == {"a": ["x", None, None], "n": [1, 2, None]}
    assert read_source(ParquetSource(uri=parquet.as_uri(), columns=["n"]))[0].columns == ["n"]


def test_a_parquet_column_that_is_missing_is_named(parquet: Path) -> None:
    with pytest.raises(DataValidationError, match=r"columns to read are missing: nothing; allowed: a, n; mend"):
        read_source(ParquetSource(uri=parquet.as_uri(), columns=["nothing"]))


def test_the_sample_is_the_same_each_time_and_has_an_address() -> None:
    source = SampleSource(rows=300, seed=5, missing=[" "], types={"TotalCharges": "float", "tenure": "integer"})
    frame = read_source(source)[0]
    assert frame.height == 300
    assert frame.equals(read_source(source)[0])
    assert frame.schema["TotalCharges"] == pl.Float64
    assert location_of(source) == "sample://telco?rows=300&seed=5&drift=0"
    assert not frame.equals(read_source(SampleSource(rows=300, seed=6, missing=[" "], types=source.types))[0])


def test_s3(s3_bucket: str, csv: Path) -> None:
    import fsspec

    uri = f"s3://{s3_bucket}/folder/rows.csv"
    fsspec.filesystem("s3").put_file(str(csv), uri)
    frame, lineage = read_source(CsvSource(uri=uri, missing=[" ", "n/a"]))
    assert frame["Tenure"].to_list() == [1, None, 3]
    assert (lineage.source, lineage.kind) == (uri, "csv")
    assert abs(datetime.now(UTC) - lineage.changed_at) < timedelta(minutes=5)
    with pytest.raises(DataValidationError, match="there is no such file"):
        read_source(CsvSource(uri=f"s3://{s3_bucket}/none.csv"))


def test_http(server: str, csv: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = CsvSource(uri=f"{server}/rows.csv", missing=[" ", "n/a"])
    with caplog.at_level(logging.WARNING, logger="trainer"):
        frame, lineage = read_source(source)
    assert frame["Customer ID"].to_list() == ["a", "b", "c"]
    assert lineage.changed_at.tzinfo is not None
    assert "its server does not say when it last changed" in caplog.text
    with pytest.raises(DataValidationError, match="there is no such file"):
        read_source(CsvSource(uri=f"{server}/none.csv"))


def test_a_server_that_does_not_answer_may_answer_later() -> None:
    source = CsvSource(uri="http://127.0.0.1:9/rows.csv")  # the discard port: nothing listens
    with pytest.raises(TrainerError, match="cannot be reached") as raised:
        read_source(source)
    assert raised.value.retry_can_help


def test_the_age_of_a_file_is_known(csv: Path) -> None:
    changed = datetime(2026, 1, 4, 2, 0, tzinfo=UTC)
    os.utime(csv, (changed.timestamp(), changed.timestamp()))
    assert read_source(CsvSource(uri=csv.as_uri()))[1].changed_at == changed


def test_each_kind_of_source_has_a_reader() -> None:
    kinds = {of.model_fields["KIND"].default for of in get_args(get_args(AnySource)[0])}
    assert {*READERS} == kinds


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_and_a_glob_are_one_table(kind: str, tmp_path: Path) -> None:
    for name, rows in (("b", [3, 4]), ("a", [1, 2]), ("_other", [9])):
        frame = pl.DataFrame({"n": rows})
        frame.write_csv(tmp_path / f"{name}.csv") if kind == "csv" else frame.write_parquet(
            tmp_path / f"{name}.parquet"
        )
    of: type[CsvSource | ParquetSource] = CsvSource if kind == "csv" else ParquetSource
    assert read_source(of(uri=str(tmp_path)))[0]["n"].to_list() == [1, 2, 3, 4]
    assert read_source(of(uri=f"{tmp_path.as_uri()}/[ab].{kind}"))[0]["n"].to_list() == [1, 2, 3, 4]
    with pytest.raises(DataValidationError, match=r"x\*: there is no file that fits"):
        read_source(of(uri=f"{tmp_path}/x*"))
    with pytest.raises(ConfigurationError, match=r"source.sha256 is of one file, and .* names 2; leave it out"):
        read_source(of(uri=str(tmp_path), sha256="0" * 64))


def test_files_of_a_folder_that_differ_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,y\n1,no\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("n\n1\n", encoding="utf-8")
    with pytest.raises(
        DataValidationError, match=r"1 of 2 files do not have the columns of .*a.csv: .*b.csv lacks 'y'"
    ):
        read_source(CsvSource(uri=str(tmp_path)))


def test_of_several_parquet_files_the_damaged_one_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"a": range(100)}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(parquet_bytes()[:20] + b"x" * 80 + parquet_bytes()[100:])
    with pytest.raises(DataValidationError, match=r"b.parquet: cannot be read as Parquet"):
        read_source(ParquetSource(uri=str(tmp_path)))


def test_a_declared_type_makes_files_alike(tmp_path: Path) -> None:
    pl.DataFrame({"n": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"n": ["2"]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataValidationError, match=r"b.parquet: 'n' is String, not Int64; .* under `source.types`"):
        read_source(ParquetSource(uri=str(tmp_path)))
    assert read_source(ParquetSource(uri=str(tmp_path), types={"n": "integer"}))[0]["n"].to_list() == [1, 2]


def test_only_rows_that_are_wanted(csv: Path) -> None:
    source = CsvSource(uri=str(csv), missing=[" ", "n/a"], rename=RENAME, where="tenure > 1")
    assert read_source(source)[0]["customer"].to_list() == ["c"]


def test_rows_are_written_once_and_nothing_stays_beside_them(csv: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    dates = {"at": {"year": "y", "month": "m"}}
    rows = [f"{2000 + n % 20},{1 + n % 12},{n}" for n in range(1000)]
    csv.write_text("\n".join(["y,m,n", *rows]), encoding="utf-8")
    source = CsvSource(uri=str(csv), where="n > 99", dates=dates)
    with open_source(source, beside=tmp_path / "out") as table:
        assert table.use(lambda found: found.collect())["n"].to_list() == list(range(100, 1000))
        assert [file for file in (tmp_path / "out").rglob("*") if file.is_file()] == []
    write_source(source, tmp_path / "out" / "rows.parquet")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["rows.parquet"]


def test_a_file_that_changes_before_its_rows_are_used_is_an_error_that_may_pass(csv: Path) -> None:
    def use_late() -> None:
        with open_source(CsvSource(uri=str(csv))) as table:
            csv.write_text("a,b\n1,2,3\n", encoding="utf-8")
            table.use(lambda rows: rows.collect())

    with pytest.raises(TrainerError, match="the file changed while it was read") as raised:
        use_late()
    assert raised.value.retry_can_help
