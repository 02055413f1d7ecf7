"""The list of mutants matches the product and the tests."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.mutants.__main__ import verdict_of
from tests.mutants.import_check import OPTION, imported_file, module_of, pytest_sessionstart
from tests.mutants.mutant import Mutant, load_mutants

MUTANTS = load_mutants()
every_mutant = pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)


def test_ids_are_kebab_case() -> None:
    assert [name for name in MUTANTS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)] == []


@every_mutant
def test_snippet_occurs_once_and_the_mutated_file_compiles(mutant: Mutant, project: Path) -> None:
    source = (project / mutant.file).read_text(encoding="utf-8")
    mutated = mutant.apply(source)
    assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(source))
    compile(mutated, mutant.file, "exec")


@every_mutant
def test_named_tests_exist(mutant: Mutant, project: Path) -> None:
    for test in mutant.tests:
        file, *names = test.split("::")
        tree = ast.parse((project / file).read_text(encoding="utf-8"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert {name.partition("[")[0] for name in names} <= defined


def test_files_are_modules_of_the_product(project: Path) -> None:
    for file in {mutant.file for mutant in MUTANTS.values()}:
        assert imported_file(module_of(file)) == project / file


def test_a_snippet_that_does_not_occur_once_is_refused() -> None:
    mutant = Mutant(file="a.py", find="x", replace="y", tests=["tests/a.py"], why="nothing works")
    assert mutant.apply("x = 1") == "y = 1"
    for source, count in (("z = 1", 0), ("x = x", 2)):
        with pytest.raises(ValueError, match=f"expected 'x' once in a.py, found it {count} times; update `find`"):
            mutant.apply(source)


@pytest.mark.parametrize(
    ("exit_code", "output", "verdict"),
    [
        (0, "1 passed", "survived"),
        (1, "E   assert 1 == 2", "killed"),
        (1, "E   NameError: name 'x' is not defined", "error"),
        (2, "1 error during collection", "error"),
        (4, "not found: tests/a.py::test_b", "error"),
        (5, "no tests ran", "error"),
    ],
    ids=["passed", "failed", "invalid-program", "interrupted", "usage", "nothing-ran"],
)
def test_only_a_failed_test_kills(exit_code: int, output: str, verdict: str) -> None:
    assert verdict_of(subprocess.CompletedProcess([], exit_code, output)) == verdict


def test_a_file_that_is_not_imported_from_the_project_stops_the_session(project: Path, tmp_path: Path) -> None:
    def session(root: Path) -> Any:
        files = {OPTION: ["tasks_image/src/trainer/errors.py", "include/operators/base.py"]}
        return SimpleNamespace(config=SimpleNamespace(rootpath=root, getoption=files.__getitem__))

    pytest_sessionstart(session(project))
    with pytest.raises(pytest.UsageError, match=r"trainer/errors.py to be imported from .*; check PYTHONPATH"):
        pytest_sessionstart(session(tmp_path))
