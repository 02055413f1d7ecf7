"""What is wrong with a CSV file, by line: Polars reads fast, and does not say where, or passes over it."""

from __future__ import annotations

import csv
import gzip
import logging
import shutil
import zlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.sources.notes import note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

    from trainer.sources.files.source_files import SourceFile

logger = logging.getLogger(__name__)

EXAMPLES = 5
FIRST_BYTES = 1 << 20
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
QUOTES = ("'", "`", "\u00b4", "\u2018", "\u2019", "\u201c", "\u201d")
SEPARATORS = (";", "\t", "|", ",")


def plain_file(file: SourceFile, scratch: Path) -> SourceFile:
    """A CSV file as plain text: unpacked into `scratch` where it is gzip; raises DataValidationError."""
    if _first_bytes(file).startswith(GZIP):
        file = replace(file, path=_unpacked(file, scratch))
    first = _first_bytes(file)
    for beginning, what in OTHER_FORMATS.items():
        if first.startswith(beginning):
            raise DataValidationError(f"{file.name}: this is no CSV but {what}")
    if b"\r" in first and b"\n" not in first:
        raise DataValidationError(f"{file.name}: lines end with a carriage return alone; write it with line feeds")
    return file


def _first_bytes(file: SourceFile) -> bytes:
    with file.path.open("rb") as handle:
        return handle.read(FIRST_BYTES)


def _unpacked(file: SourceFile, scratch: Path) -> Path:
    unpacked = scratch / f"{file.path.name}.unpacked"
    try:
        with gzip.open(file.path, "rb") as packed, unpacked.open("wb") as plain:
            shutil.copyfileobj(packed, plain, FIRST_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataValidationError(
            f"{file.name}: the gzip file is damaged or cut off: {error}; fetch it again"
        ) from error
    return unpacked


def likely_separator(file: SourceFile) -> str:
    """The one that makes the most columns of the header; a comma where none makes two."""
    with file.path.open("rb") as handle:
        header = handle.readline().removeprefix(BOM).decode(errors="replace")
    return max((",", *SEPARATORS), key=lambda one: _columns(header, one))


def _columns(header: str, separator: str) -> int:
    try:
        return len(next(csv.reader([header], delimiter=separator, strict=True), []))
    except csv.Error:  # something else follows a closing quote, so the separator is another
        return 0


def check_header(file: SourceFile, separator: str, renamed: set[str]) -> None:
    """Refuse a header that Polars would read as other columns than a person sees; `renamed` are the names renamed.

    Raises DataValidationError.
    """
    header = next((fields for _, fields in _records(file, separator) if fields), [])
    other = next((one for one in SEPARATORS if one != separator and one in header[0]), "") if len(header) == 1 else ""
    if other:
        raise DataValidationError(
            f"{file.name}: with the separator {separator!r} there is one column, {header[0]!r:.80}; is it {other!r}? "
            "Say so under `source.separator`"
        )
    twice = [column for column, times in Counter(header).items() if times > 1 and column]
    if twice:
        raise DataValidationError(
            f"{file.name}: {len(twice)} column names stand in the header more than once: "
            f"{', '.join(map(repr, twice[:EXAMPLES]))}; give each column its own"
        )
    quoted = [column for column in header if '"' in column or (column[:1] in QUOTES and column[-1:] in QUOTES)]
    if quoted:
        note(
            f"{file.name}: {len(quoted)} column names hold quotes, which belong to the name: "
            f'{", ".join(quoted[:EXAMPLES])}; only " encloses a field, and a quote in a name stays doubled; give each '
            "another name under `source.rename`, or fix the header",
            logging.WARNING,
        )
    unnamed = [f"column {place}" for place, column in enumerate(header, start=1) if not column]
    if unnamed and "" not in renamed:
        raise DataValidationError(
            f"{file.name}: {len(unnamed)} of {len(header)} columns have no name: {', '.join(unnamed[:EXAMPLES])}; "
            "leave them out (an index, or a separator at the end of each line), or name them"
        )


def without_blank_lines(rows: pl.LazyFrame, file: SourceFile, separator: str) -> pl.LazyFrame:
    """The rows as Polars read them from a file, without those of blank lines.

    Raises DataValidationError for lines with too few fields. Polars fills these up with missing values; so where the
    last column misses none, there are none.
    """
    import polars as pl

    columns = rows.collect_schema().names()
    if len(columns) == 1 or not rows.select(pl.col(columns[-1]).null_count()).collect(engine="streaming").item():
        return rows
    blank = _judge_widths(file, separator)
    if not blank:
        return rows
    logger.info("%s: %d blank lines left out", file.name, len(blank))
    return rows.with_row_index("__row__").filter(~pl.col("__row__").is_in(blank)).drop("__row__")


def why_not(file: SourceFile, separator: str, error: Exception) -> DataValidationError:
    """What a person has to know about a file that Polars cannot read."""
    try:
        _judge_widths(file, separator)
    except DataValidationError as found:
        return found
    if stray := _stray_quotes(file, separator):
        shown = ", ".join(f"line {line} ({field!r:.60})" for line, field in stray[:EXAMPLES])
        return DataValidationError(
            f"{file.name}: {len(stray)} {'field has' if len(stray) == 1 else 'fields have'} a quote inside without "
            f'being quoted: {shown}; write such a field as "5"" pipe", in quotes with its own doubled, or remove them'
        )
    return DataValidationError(f"{file.name}: cannot be read as CSV: {str(error).splitlines()[0]}")


def _stray_quotes(file: SourceFile, separator: str) -> list[tuple[int, str]]:
    """Fields that hold a quote and do not begin with one, by the line of their row."""
    found = []
    lines = list(_lines(file))
    for line, fields in _records(file, separator):
        plain = f"{separator}{lines[line - 1].rstrip()}{separator}"
        found += [(line, one) for one in fields if '"' in one and f"{separator}{one}{separator}" in plain]
    return found


def _judge_widths(file: SourceFile, separator: str) -> list[int]:
    """Row numbers of blank lines; raises DataValidationError for lines with more or fewer fields than the header."""
    records = _records(file, separator)
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
            f"{file.name}: the header has {len(header)} fields, and {len(ragged)} of {row + 1} rows have not: {shown}; "
            "was the file cut off, or is a separator in a text not quoted? Fetch or write it again"
        )
    return blank


def _records(file: SourceFile, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with the line that it begins on."""
    csv.field_size_limit(max(csv.field_size_limit(), file.path.stat().st_size))
    reader = csv.reader(_lines(file), delimiter=separator, strict=True)
    line = 1
    try:
        for fields in reader:
            yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataValidationError(
            f"{file.name}: the row that begins on line {line} is no CSV: {error}; is a quote left open, or not doubled?"
        ) from error


def _lines(file: SourceFile) -> Iterator[str]:
    with file.path.open("rb") as handle:
        for number, line in enumerate(handle):
            try:
                yield (line if number else line.removeprefix(BOM)).decode()
            except UnicodeDecodeError:
                raise _no_utf8(file) from None


def _no_utf8(file: SourceFile) -> DataValidationError:
    """The lines that are no UTF-8, with the bytes around the first that is not."""
    wrong: list[str] = []
    count = 0
    with file.path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                count += 1
                shown = line[max(0, error.start - 10) : error.start + 10]
                wrong += [f"line {number} ({shown!r})"] * (count <= EXAMPLES)
    return DataValidationError(
        f"{file.name}: {count} {'line is' if count == 1 else 'lines are'} no UTF-8: {', '.join(wrong)}; the file may "
        "be Latin-1 or Windows-1252: write it anew as UTF-8, such as by `iconv -f WINDOWS-1252 -t UTF-8`"
    )
