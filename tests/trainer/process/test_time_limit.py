"""A block that would never end is ended."""

from __future__ import annotations

import re
import signal

import pytest

from trainer.process.time_limit import TimeIsOverError, time_limit

BACKTRACKS = re.compile(r"(a+)+$")


def test_a_regular_expression_that_backtracks_is_ended() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeIsOverError), time_limit(0.05):
        BACKTRACKS.match("a" * 40 + "b")
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_block_that_ends_in_time_leaves_no_timer() -> None:
    with time_limit(60):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
