"""Break the product on purpose and check that the tests notice: `python -m tests.mutants [ID ...]`.

Each mutant is applied to a temporary copy of the files that git tracks, and only its own tests run there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mutants.import_check import OPTION
from tests.mutants.mutant import Mutant, load_mutants
from trainer.pipeline import did_you_mean

PROJECT = Path(__file__).resolve().parents[2]
TEST_TIMEOUT_SECONDS = 120
"""Time limit of a single test, since a mutant can make one wait forever."""
LAST_LINES = 25
INVALID = re.compile(r"^E +(?:ImportError|ModuleNotFoundError|NameError|SyntaxError)\b", re.MULTILINE)
"""Errors of a mutant that is not a valid program, and therefore proves nothing."""


def main() -> int:
    """Return 0 if every mutant is killed, otherwise 1."""
    mutants = load_mutants()
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help="mutants to run; by default all of them")
    parser.add_argument("--list", action="store_true", help="list the mutants and their tests, and run nothing")
    parser.add_argument(
        "--baseline",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="first run the tests without a mutant (default)",
    )
    arguments = parser.parse_args()
    if unknown := [one for one in arguments.ids if one not in mutants]:
        parser.error(f"unknown mutant {unknown[0]!r}{did_you_mean(unknown[0], mutants)}")
    chosen = {name: mutants[name] for name in arguments.ids or mutants}
    if arguments.list:
        for name, mutant in chosen.items():
            _say(f"{name}\n  {mutant.file}: {mutant.why}\n  {' '.join(mutant.tests)}")
        return 0
    if arguments.baseline and not run_baseline(chosen.values()):
        return 1
    return run_mutants(chosen)


def run_baseline(mutants: Iterable[Mutant]) -> bool:
    """Run the tests of all mutants on the unchanged product; return True if they pass."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    files = sorted({mutant.file for mutant in mutants})
    began = time.monotonic()
    with project_copy() as copy:
        done = run_tests(copy, tests, files)
    passed = done.returncode == pytest.ExitCode.OK
    _say(f"{'passed' if passed else 'FAILED':9}{time.monotonic() - began:6.1f} s  baseline: tests without a mutant")
    if not passed:
        _say(_tail(done.stdout))
    return passed


def run_mutants(mutants: dict[str, Mutant]) -> int:
    """Run the tests of each mutant and report it as killed, survived or error; return the exit code."""
    verdicts: Counter[str] = Counter()
    for name, mutant in mutants.items():
        began = time.monotonic()
        verdict, output = run_mutant(mutant)
        verdicts[verdict] += 1
        _say(f"{verdict:9}{time.monotonic() - began:6.1f} s  {name}")
        if verdict != "killed":
            _say(f"  {mutant.file}: {mutant.why}\n{output}")
    _say(", ".join(f"{verdicts[verdict]} {verdict}" for verdict in ("killed", "survived", "error")))
    return 0 if verdicts["killed"] == len(mutants) else 1


def run_mutant(mutant: Mutant) -> tuple[str, str]:
    """Return the verdict on a mutant and the end of the output of its tests."""
    with project_copy() as copy:
        file = copy / mutant.file
        try:
            file.write_text(mutant.apply(file.read_text(encoding="utf-8")), encoding="utf-8")
        except (OSError, ValueError) as error:
            return "error", f"  {error}"
        done = run_tests(copy, ["-x", *mutant.tests], [mutant.file])
    return verdict_of(done), _tail(done.stdout)


def verdict_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return `survived` if the tests passed, `killed` if one failed, and `error` for anything else."""
    if done.returncode == pytest.ExitCode.OK:
        return "survived"
    failed = done.returncode == pytest.ExitCode.TESTS_FAILED and not INVALID.search(done.stdout)
    return "killed" if failed else "error"


@contextmanager
def project_copy() -> Iterator[Path]:
    """Yield a temporary copy of the files that git tracks, as they are in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder).resolve()
        for name in filter(None, listed.split("\0")):
            if (PROJECT / name).is_file():  # a file that was deleted is still tracked
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, copy / name)
        yield copy


def run_tests(copy: Path, arguments: list[str], files: list[str]) -> subprocess.CompletedProcess[str]:
    """Run pytest in a copy, which has to import the product files from there."""
    options = ["-p", "no:cacheprovider", "-p", "tests.mutants.import_check", f"--timeout={TEST_TIMEOUT_SECONDS}"]
    options += [f"{OPTION}={file}" for file in files]
    path = os.pathsep.join([str(copy), str(copy / "tasks_image" / "src")])
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _tail(output: str) -> str:
    return "\n".join(f"  | {line}" for line in output.splitlines()[-LAST_LINES:])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
