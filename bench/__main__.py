"""`make bench`: measure speed, print a table, write `results.json`; exit code 1 if a goal is missed."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.catalogue import choose, known_names
from bench.report import as_table, missed_goals, write_results
from trainer.errors import ConfigurationError, TrainerError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from bench.catalogue import Bench
    from bench.figure import Figure

RESULTS = Path(__file__).with_name("results.json")
CORES = 2
TERMINATED = 143


def main(arguments: list[str] | None = None) -> int:
    """Measure what is named; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to measure (default: all)")
    parser.add_argument("--list", action="store_true", help="name the figures and end")
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(known_names()))
        return 0
    try:
        chosen = choose(given.names)
    except ConfigurationError as error:
        parser.error(str(error))
    prepare_process()
    figures, failures = measure(chosen)
    write_results(figures, RESULTS)
    print(as_table(figures))
    complaints = [*missed_goals(figures), *failures]
    print("\n".join(["", *(complaints or ["all goals are met"])]))
    return 1 if complaints else 0


def measure(chosen: list[Bench]) -> tuple[list[Figure], list[str]]:
    """The figures, and one text per measurement that could not be made."""
    figures: list[Figure] = []
    failures = []
    for bench in chosen:
        names = ", ".join(bench.names)
        print(f"measuring {names} …", file=sys.stderr, flush=True)
        found = _in_a_process_of_its_own(bench)
        if isinstance(found, str):
            failures.append(f"not measured: {names}: {found}")
        else:
            figures += found
    return figures, failures


def _in_a_process_of_its_own(bench: Bench) -> list[Figure] | str:
    """Return a bench's figures, or why there are none: what one holds or changes must not count for the next."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_measure_and_send, args=(bench, sending))
    process.start()
    sending.close()
    try:
        return receiving.recv()  # type: ignore[no-any-return]
    except EOFError:
        process.join()
        return f"its process ended with exit code {process.exitcode}; what it wrote is above"
    finally:
        process.terminate()
        process.join()


def _measure_and_send(bench: Bench, sending: Connection) -> None:
    try:
        found: list[Figure] | str = bench.measure()
    except TrainerError as error:
        found = str(error)
    sending.send(found)


def prepare_process() -> None:
    """Keep this process and all it starts to two cores, so that figures of large and small machines compare.

    Ended from outside, it leaves as from an error, so that a command being timed is ended too.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


if __name__ == "__main__":
    sys.exit(main())
