"""Runs cells in processes: every trial has a random stream of its own, so their number changes no figure."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

from bench.simulation.plan import fewer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.simulation.share import Share

PIECES = 10
C = TypeVar("C", bound="Cell")


class Cell(Protocol):
    """One line of a table."""

    @property
    def trials(self) -> int:
        """How often it is tried."""

    def run(self, seed: int, first: int, count: int) -> list[Share]:
        """The shares counted in some of the trials."""


def simulate(cells: Sequence[C], seed: int, *, quick: bool, processes: int) -> dict[C, list[Share]]:
    """Each cell's shares."""
    pieces = [
        (cell, first, min(size, trials - first))
        for cell in cells
        for trials in [fewer(cell.trials, quick=quick)]
        for size in [max(1, trials // PIECES)]
        for first in range(0, trials, size)
    ]
    if processes == 1:
        found = [cell.run(seed, first, count) for cell, first, count in pieces]
    else:
        found = _in_processes(pieces, seed, processes)
    sums: dict[C, list[Share]] = {}
    for (cell, _, _), shares in zip(pieces, found, strict=True):
        sums[cell] = [old + new for old, new in zip(sums[cell], shares, strict=True)] if cell in sums else shares
    return sums


def _in_processes(pieces: list[tuple[C, int, int]], seed: int, processes: int) -> list[list[Share]]:
    # One thread each: the processes already take all cores. Read by the libraries when a process first imports them.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(cell.run, seed, first, count) for cell, first, count in pieces]
        return [one.result() for one in waiting]
