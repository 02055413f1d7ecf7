"""Lines of a container, read again and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from urllib3.exceptions import ProtocolError

from include.operators.pods.log_lines import ReadLines, stamp_of

FIRST, SECOND, MORE, THIRD = (
    b"2026-01-04T02:00:00.000000001Z one\n",
    b"2026-01-04T02:00:00.000000002Z two\n",
    b"  which goes on\n",
    b"2026-01-04T02:00:01Z three\n",
)


def test_each_line_is_read_once_with_what_belongs_to_it() -> None:
    lines = ReadLines()
    assert [*lines.unread([FIRST, SECOND, MORE])] == [FIRST, SECOND, MORE]
    assert [*lines.unread([FIRST, SECOND, MORE, THIRD, MORE])] == [THIRD, MORE]
    assert [*lines.unread([THIRD])] == []
    assert [*ReadLines(lines.position).unread([SECOND, THIRD])] == []


def test_lines_of_one_instant_are_told_apart_by_their_number() -> None:
    same = [b"2026-01-04T02:00:00Z one\n", b"2026-01-04T02:00:00Z two\n", b"2026-01-04T02:00:00Z three\n"]
    lines = ReadLines()
    assert [*lines.unread(same[:2])] == same[:2]
    assert [*lines.unread(same)] == same[2:]
    assert [*lines.unread(same)] == []
    assert [*lines.unread([*same, THIRD])] == [THIRD]


def test_lines_that_are_out_of_order_by_a_little_are_not_lost() -> None:
    assert [*ReadLines().unread([SECOND, FIRST, THIRD])] == [SECOND, FIRST, THIRD]


def test_a_reading_that_breaks_off_goes_on_after_the_last_line() -> None:
    lines = ReadLines()

    def breaks_off() -> Iterator[bytes]:
        yield FIRST
        raise ProtocolError("broken off")

    reading = lines.unread(breaks_off())
    assert next(reading) == FIRST
    with pytest.raises(ProtocolError):
        next(reading)
    assert [*lines.unread([FIRST, SECOND])] == [SECOND]


@pytest.mark.parametrize(
    ("line", "stamp"),
    [
        (b"2026-01-04T02:00:00Z", (1767492000, 0)),
        (b"2026-01-04T02:00:00.5Z x", (1767492000, 500_000_000)),
        (b"2026-01-04T04:00:00.000000001+02:00 x", (1767492000, 1)),
        (b"2026-01-04 said by the step", None),
        (b"", None),
    ],
)
def test_stamps_are_read_in_every_form_that_nodes_write(line: bytes, stamp: tuple[int, int] | None) -> None:
    assert stamp_of(line) == stamp
