"""What is wrong with a CSV file, by line: Polars reads fast, and does not say where, or passes over it."""

from __future__ import annotations

import csv
import gzip
import io
import logging
import zlib
from collections import Counter
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

logger = logging.getLogger(__name__)

EXAMPLES = 5
BOM = b"\xef\xbb\xbf"
GZIP = b"\x1f\x8b"
OTHER_FORMATS = {
    b"PAR1": "a Parquet file; name it with `KIND: parquet`",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard; unpack it, or compress it with gzip",
    b"\xff\xfe": "UTF-16 text; write it as UTF-8",
    b"\xfe\xff": "UTF-16 text; write it as UTF-8",
}
"""Files that are called CSV, by their first bytes."""
SEPARATORS = (";", "\t", "|", ",")


def plain_text(content: bytes, name: str) -> bytes:
    """A CSV file's bytes without a byte order mark, unpacked where it is gzip. Raises DataValidationError."""
    if content.startswith(GZIP):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise DataValidationError(
                f"{name}: the gzip file is damaged or cut off: {error}; fetch it again"
            ) from error
    for first, what in OTHER_FORMATS.items():
        if content.startswith(first):
            raise DataValidationError(f"{name}: this is no CSV but {what}")
    if b"\r" in content and b"\n" not in content:
        raise DataValidationError(f"{name}: lines end with a carriage return alone; write it with line feeds")
    return content.removeprefix(BOM)


def likely_separator(text: bytes) -> str:
    """The one that makes the most columns of the header; a comma where none makes two."""
    header = text.partition(b"\n")[0].decode(errors="replace")
    return max((",", *SEPARATORS), key=lambda one: _columns(header, one))


def _columns(header: str, separator: str) -> int:
    try:
        return len(next(csv.reader([header], delimiter=separator, strict=True), []))
    except csv.Error:  # something else follows a closing quote, so the separator is another
        return 0


def check_header(text: bytes, separator: str, renamed: set[str], name: str) -> None:
    """Refuse a header that Polars would read as other columns than a person sees; `renamed` are the names renamed.

    Raises DataValidationError.
    """
    header = next((fields for _, fields in _records(text, separator, name) if fields), [])
    other = next((one for one in SEPARATORS if one != separator and one in header[0]), "") if len(header) == 1 else ""
    if other:
        raise DataValidationError(
            f"{name}: with the separator {separator!r} there is one column, {header[0]!r:.80}; is it {other!r}? "
            "Say so under `source.separator`"
        )
    twice = [column for column, times in Counter(header).items() if times > 1 and column]
    if twice:
        raise DataValidationError(
            f"{name}: {len(twice)} column names stand in the header more than once: "
            f"{', '.join(map(repr, twice[:EXAMPLES]))}; give each column its own"
        )
    unnamed = [f"column {place}" for place, column in enumerate(header, start=1) if not column]
    if unnamed and "" not in renamed:
        raise DataValidationError(
            f"{name}: {len(unnamed)} of {len(header)} columns have no name: {', '.join(unnamed[:EXAMPLES])}; leave "
            "them out (an index, or a separator at the end of each line), or name them"
        )


def check_rows(frame: pl.DataFrame, text: bytes, separator: str, name: str) -> pl.DataFrame:
    """The frame without rows of blank lines. Raises DataValidationError for lines with too few fields.

    Polars fills these up with missing values; so where the last column misses none, there are none.
    """
    import polars as pl

    if frame.width == 1 or not frame.height or not frame[:, -1].null_count():
        return frame
    blank = _judge_widths(text, separator, name)
    if not blank:
        return frame
    logger.info("%s: %d blank lines left out", name, len(blank))
    return frame.with_row_index("__row__").filter(~pl.col("__row__").is_in(blank)).drop("__row__")


def why_not(text: bytes, separator: str, name: str, error: Exception) -> DataValidationError:
    """What a person has to know about a file that Polars cannot read."""
    try:
        _judge_widths(text, separator, name)
    except DataValidationError as found:
        return found
    return DataValidationError(f"{name}: cannot be read as CSV: {str(error).splitlines()[0]}")


def _judge_widths(text: bytes, separator: str, name: str) -> list[int]:
    """Row numbers of blank lines; raises DataValidationError for lines with more or fewer fields than the header."""
    records = _records(text, separator, name)
    header = next((fields for _, fields in records if fields), [])
    blank: list[int] = []
    ragged: list[tuple[int, int]] = []
    for row, (line, fields) in enumerate(records):
        if not fields:
            blank.append(row)
        elif len(fields) != len(header):
            ragged.append((line, len(fields)))
    if ragged:
        shown = ", ".join(f"line {line} has {width}" for line, width in ragged[:EXAMPLES])
        raise DataValidationError(
            f"{name}: the header has {len(header)} fields, and {len(ragged)} of {row + 1} rows have not: {shown}; "
            "was the file cut off, or is a separator in a text not quoted? Fetch or write it again"
        )
    return blank


def _records(text: bytes, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with the line that it begins on."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(_lines(text, name), delimiter=separator, strict=True)
    line = 1
    try:
        for fields in reader:
            yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataValidationError(
            f"{name}: the row that begins on line {line} is no CSV: {error}; is a quote left open, or not doubled?"
        ) from error


def _lines(text: bytes, name: str) -> Iterator[str]:
    for line in io.BytesIO(text):
        try:
            yield line.decode()
        except UnicodeDecodeError:
            raise _no_utf8(text, name) from None


def _no_utf8(text: bytes, name: str) -> DataValidationError:
    """The lines that are no UTF-8, with the bytes around the first that is not."""
    wrong: list[str] = []
    count = 0
    for number, line in enumerate(io.BytesIO(text), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            count += 1
            wrong += [f"line {number} ({line[max(0, error.start - 10) : error.start + 10]!r})"] * (count <= EXAMPLES)
    return DataValidationError(
        f"{name}: {count} {'line is' if count == 1 else 'lines are'} no UTF-8: {', '.join(wrong)}; the file may be "
        "Latin-1 or Windows-1252: write it anew as UTF-8, such as by `iconv -f WINDOWS-1252 -t UTF-8`"
    )
