"""`make simulate`: how often the rules decide wrongly; writes tables, exit code 1 if a figure is missed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from bench.simulation.page import with_sections
from bench.simulation.runner import simulate
from bench.simulation.sections import SECTIONS
from trainer.environment import cores

OUTPUT = Path(__file__).parents[2] / "docs" / "simulation.md"
SEED = 42
SECONDS_PER_MINUTE = 60


def main(arguments: list[str] | None = None) -> int:
    """Simulate sections and write them into the page; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="few trials and rows: whether it runs, not what holds")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default: docs/simulation.md")
    given = parser.parse_args(arguments)
    if unknown := sorted({*given.sections} - {*SECTIONS}):
        parser.error(f"no section {unknown[0]!r}; choose from {', '.join(SECTIONS)}")
    texts, complaints = _simulate(given)
    page = given.output.read_text(encoding="utf-8") if given.output.exists() else ""
    page = with_sections(page, texts, [section.title for section in SECTIONS.values()])
    given.output.write_text(page, encoding="utf-8")
    print("\n\n".join(texts.values()))
    return 1 if complaints else 0


def _simulate(given: argparse.Namespace) -> tuple[dict[str, str], list[str]]:
    """Return the text of each section by its title, and every figure that is missed."""
    texts, complaints = {}, []
    for section in (SECTIONS[name] for name in given.sections or SECTIONS):
        cells, began = section.cells(quick=given.quick), _minutes()
        found = simulate(cells, given.seed, quick=given.quick, processes=given.processes)
        passed, busy = (now - before for now, before in zip(_minutes(), began, strict=True))
        how = (
            f"with seed {given.seed} in {passed:.0f} minutes on {given.processes} processes "
            f"({busy:.0f} minutes of processor time)"
        )
        texts[section.title] = section.write(found, how)
        complaints += section.missed(found)
    return texts, complaints


def _minutes() -> tuple[float, float]:
    """Return the time on the clock, and the processor time of this process and its ended children."""
    return time.monotonic() / SECONDS_PER_MINUTE, sum(os.times()[:4]) / SECONDS_PER_MINUTE


if __name__ == "__main__":
    sys.exit(main())
