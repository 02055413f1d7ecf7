"""What is wrong with a CSV file, by line."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from trainer.errors import DataValidationError
from trainer.sources.files.csv_problems import check_header, likely_separator, plain_file, why_not, without_blank_lines
from trainer.sources.files.source_files import SourceFile
from trainer.sources.notes import collected_notes

Written = Callable[[bytes], SourceFile]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes a file."""

    def write(content: bytes) -> SourceFile:
        (tmp_path / "rows").write_bytes(content)
        return SourceFile("rows.csv", tmp_path / "rows")

    return write


@pytest.mark.parametrize(
    "content", [b"a,b\n", b"\xef\xbb\xbfa,b\n", gzip.compress(b"\xef\xbb\xbfa,b\n")], ids=["plain", "BOM", "gzip"]
)
def test_what_is_text(written: Written, tmp_path: Path, content: bytes) -> None:
    plain = plain_file(written(content), tmp_path)
    assert plain.name == "rows.csv"
    assert plain.path.read_text(encoding="utf-8-sig") == "a,b\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"a,b\n" * 1000)[:30], "rows.csv: the gzip file is damaged or cut off: "),
        (b"PAR1...PAR1", "no CSV but a Parquet file; name it with `KIND: parquet`"),
        (b"PK\x03\x04..", "a ZIP archive or an Excel workbook"),
        ("a,b\n".encode("utf-16"), "UTF-16 text; write it as UTF-8"),
        (b"a,b\r1,2\r", "lines end with a carriage return alone"),
    ],
    ids=["cut", "parquet", "zip", "utf-16", "carriage-returns"],
)
def test_what_is_no_csv(written: Written, tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        plain_file(written(content), tmp_path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"a\tb\n", r"with the separator ',' there is one column, 'a\\tb'; is it '\\t'\?"),
        (b"a,b,a,b\n", "2 column names stand in the header more than once: 'a', 'b'; give each"),
        (b",a,\n", "2 of 3 columns have no name: column 1, column 3; leave them out"),
        (b"a,\xfc\n", "1 line is no UTF-8: line 1"),
    ],
    ids=["separator", "twice", "unnamed", "latin-1"],
)
def test_a_header_that_would_be_read_otherwise(written: Written, header: bytes, message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        check_header(written(header + b"1,2,3\n"), ",", set())


def test_a_header_that_is_right(written: Written) -> None:
    check_header(written(b"\na,b\n"), ",", set())
    check_header(written(b"\xef\xbb\xbfalone\n"), ",", set())
    check_header(written(b",a\n"), ",", {""})


def test_separators_inside_quotes_do_not_count(written: Written) -> None:
    assert likely_separator(written(b'"rent, cold, monthly";"area, net"\n1;2\n')) == ";"
    assert likely_separator(written(b"one\n1\n")) == ","


def read(file: SourceFile) -> pl.DataFrame:
    return without_blank_lines(pl.scan_csv(file.path), file, ",").collect()


def test_short_rows_are_named_by_line_and_five_at_most(written: Written) -> None:
    text = b'a,b\n"x\ny",1\n' + b"1\n" * 7 + b"2,3\n"
    with pytest.raises(DataValidationError) as refused:
        read(written(text))
    assert str(refused.value).startswith(
        "rows.csv: the header has 2 fields, and 7 of 9 rows have not: "
        "line 4 has 1, line 5 has 1, line 6 has 1, line 7 has 1, line 8 has 1; was the file cut off"
    )


def test_rows_that_end_in_a_missing_value_stay_and_blank_lines_go(written: Written) -> None:
    assert read(written(b"a,b\n1,\n\n2,3\n\n")).to_dict(as_series=False) == {"a": [1, 2], "b": [None, 3]}
    assert read(written(b"a\n1\n\n2\n"))["a"].to_list() == [1, None, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a,b\n1,2,3\n", "line 2 has 3"),
        (b'a,b\n1,x\n2,"y\n3,z\n', "the row that begins on line 3 is no CSV: .*is a quote left open"),
        (
            b"a,b\n" + b"\xe9,1\n" * 7,
            r"7 lines are no UTF-8: line 2 .*line 6 \(b'\\xe9,1\\n'\); the file may be Latin-1 .*iconv",
        ),
        (b"a,b\n1,2\n", "cannot be read as CSV: something else$"),
    ],
    ids=["long", "open-quote", "latin-1", "other"],
)
def test_why_a_file_cannot_be_read(written: Written, text: bytes, message: str) -> None:
    found = why_not(written(text), ",", ValueError("something else\nand advice"))
    with pytest.raises(DataValidationError, match=message):
        raise found


def test_a_quote_inside_a_field_is_shown_with_its_line(written: Written) -> None:
    file = written(b'a,b\n1,"quoted ""well"""\n2,5" pipe\n3,7" pipe\n')
    error = why_not(file, ",", pl.exceptions.ComputeError("malformed"))
    assert str(error).startswith(
        "rows.csv: 2 fields have a quote inside without being quoted: line 3 ('5\" pipe'), line 4 ('7\" pipe'); write"
    )


@pytest.mark.parametrize(
    ("header", "quoted"),
    [("'a','b'", 2), ("a,“b”", 1), ('a,"b ""x"" c"', 1), ("driver's age,b", 0)],
    ids=["single", "curly", "doubled", "apostrophe"],
)
def test_quotes_in_a_header_are_noted(written: Written, header: str, quoted: int) -> None:
    with collected_notes() as notes:
        check_header(written(f"{header}\n1,2\n".encode()), ",", set())
    assert [note.split(", which")[0] for note in notes] == [f"rows.csv: {quoted} column names hold quotes"] * bool(
        quoted
    )
