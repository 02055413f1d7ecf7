"""What a scheduler imports stays light, and nobody imports what is above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import trainer

SOURCES = Path(trainer.__file__).parent
HEAVY = {
    "duckdb", "dvc", "evidently", "great_expectations", "lightgbm", "matplotlib", "mlflow", "numpy", "optuna", "pandas", "polars",
    "pyarrow", "scipy", "shap", "sklearn", "torch", "xgboost",
}  # fmt: skip
LIGHT = (
    "trainer.pipeline", "trainer.run", "trainer.errors", "trainer.decision", "trainer.addresses", "trainer.connections",
    "trainer.environment", "trainer.redaction", "trainer.colour", "trainer.ending", "trainer.figures", "trainer.process",
)  # fmt: skip
LIGHT_LIBRARIES = {"pydantic", "yaml", "fsspec"}
ABOVE = {"airflow", "include", "dags", "plugins"}


@pytest.mark.parametrize(
    "module",
    [
        "trainer.pipeline", "trainer.run", "trainer.run.summary", "trainer.run.rendering", "trainer.run.execute",
        "trainer.decision", "trainer.errors", "trainer.environment", "trainer.__main__",
    ],
)  # fmt: skip
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {*done.stdout.split()}
    assert "trainer" in loaded
    assert loaded & (HEAVY | ABOVE) == set()


def module_name(file: Path) -> str:
    parts = ["trainer", *file.relative_to(SOURCES).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files() -> list[Path]:
    return sorted(SOURCES.rglob("*.py"))


def is_among(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def light_files() -> list[Path]:
    return [file for file in files() if is_among(module_name(file), LIGHT)]


def imported(node: ast.stmt, file: Path) -> Iterator[str]:
    """Full names of what a statement imports, relative ones resolved."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        package = module_name(file).split(".") if file.name == "__init__.py" else module_name(file).split(".")[:-1]
        base = package[: len(package) - node.level + 1] if node.level else []
        source = ".".join([*base, node.module or ""]).rstrip(".")
        yield from ([f"trainer.{alias.name}" for alias in node.names] if source == "trainer" else [source])


def at_module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run on import: not in functions, and not for type checkers alone."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from at_module_level(node.orelse)
            continue
        yield node
        for part in ("body", "orelse", "finalbody"):
            yield from at_module_level(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from at_module_level(handler.body)


def is_light(name: str) -> bool:
    top = name.split(".", maxsplit=1)[0]
    return top in sys.stdlib_module_names or top in LIGHT_LIBRARIES or is_among(name, LIGHT)


def test_there_is_something_to_look_at() -> None:
    assert len(light_files()) > 15
    assert {f"trainer.{module_name(file).split('.')[1]}" for file in light_files()} == {*LIGHT}


@pytest.mark.parametrize("file", light_files(), ids=module_name)
def test_light_modules_import_light_things(file: Path) -> None:
    nodes = at_module_level(ast.parse(file.read_text()).body)
    assert [name for node in nodes for name in imported(node, file) if not is_light(name)] == []


@pytest.mark.parametrize("file", light_files(), ids=module_name)
def test_light_modules_need_nothing_heavy_inside_either(file: Path) -> None:
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.stmt)]
    names = [name for node in nodes for name in imported(node, file)]
    assert [name for name in names if name.split(".")[0] in HEAVY] == []


@pytest.mark.parametrize("file", files(), ids=module_name)
def test_nothing_imports_what_is_above_it(file: Path) -> None:
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.stmt)]
    names = [name for node in nodes for name in imported(node, file)]
    assert [name for name in names if name.split(".")[0] in ABOVE] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param("import pandas", ["pandas"], id="plain"),
        pytest.param("try:\n    import pandas\nexcept ImportError:\n    import polars", ["pandas", "polars"], id="try"),
        pytest.param("class A:\n    import mlflow", ["mlflow"], id="class"),
        pytest.param("from trainer import tracking", ["trainer.tracking"], id="from-trainer"),
        pytest.param("from ..data import keys", ["trainer.data"], id="relative"),
        pytest.param("def f():\n    import pandas", [], id="function"),
        pytest.param("if TYPE_CHECKING:\n    import pandas\nelse:\n    import numpy", ["numpy"], id="type-checking"),
    ],
)
def test_the_rule_sees_imports(code: str, found: list[str]) -> None:
    file = SOURCES / "run" / "folder.py"
    names = [name for node in at_module_level(ast.parse(code).body) for name in imported(node, file)]
    assert names == found
    assert not any(map(is_light, names))
