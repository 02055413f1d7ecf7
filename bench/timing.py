"""Timing two things side by side on a machine that may be busy with others."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Measurement = Callable[[], float]


@dataclass(frozen=True)
class Pair:
    """A value and its reference, measured one right after the other."""

    value: float
    reference: float


def cpu_seconds(work: Callable[[], object]) -> float:
    """The CPU time of this process for a piece of work, all threads, the garbage collector off.

    Waiting for others that share the cores does not count, so it is steadier than wall time.
    """
    return _timed(work, time.process_time)


def wall_seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes, the garbage collector off."""
    return _timed(work, time.perf_counter)


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    gc.collect()
    gc.disable()
    try:
        began = clock()
        work()
        return clock() - began
    finally:
        gc.enable()


def alternate(value: Measurement, reference: Measurement, repeats: int) -> Pair:
    """Measure both in turn, an odd number of times, and give the pair whose ratio is the median.

    The order changes from pair to pair, so that what slows down or warms up over time favours neither.
    """
    pairs = []
    for repeat in range(repeats):
        first, second = (value, reference) if repeat % 2 == 0 else (reference, value)
        times = (first(), second())
        pairs.append(Pair(*times) if repeat % 2 == 0 else Pair(*reversed(times)))
    return median_pair(pairs)


def median_pair(pairs: list[Pair]) -> Pair:
    """The pair with the median ratio; an even number of pairs has none and is a ValueError."""
    if len(pairs) % 2 == 0:
        raise ValueError(f"an odd number of pairs has a median, not {len(pairs)}")
    return sorted(pairs, key=lambda pair: pair.value / pair.reference)[len(pairs) // 2]
