"""Who may import whom, and what stays out of Airflow's process."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
TRAINER = PROJECT / "tasks_image" / "src" / "trainer"
LIGHT_OF_TRAINER = (
    "trainer.pipeline", "trainer.run", "trainer.errors", "trainer.decision", "trainer.addresses", "trainer.connections", "trainer.environment",
    "trainer.cpu_quota",
    "trainer.redaction", "trainer.number_format", "trainer.process", "trainer.summary",
)  # fmt: skip
FORBIDDEN_OF_AIRFLOW = ("airflow.models", "airflow.settings", "airflow.utils.session")
HEAVY = (
    "pandas", "polars", "great_expectations", "evidently", "mlflow", "optuna", "xgboost", "lightgbm", "sklearn", "shap",
    "duckdb", "dvc", "torch", "numpy", "scipy", "pyarrow", "matplotlib",
)  # fmt: skip
SHIPPED = [
    "bikes_requests",
    "bikes_training",
    "california_housing_requests",
    "california_housing_training",
    "churn_deployment",
    "churn_monitoring",
    "churn_requests",
    "churn_scoring",
    "churn_training",
    "mnist_requests",
    "mnist_training",
    "wikitext_requests",
    "wikitext_training",
]
STANDARD = tuple(sys.stdlib_module_names)

FOLDERS = {
    "dags": PROJECT / "dags",
    "include": PROJECT / "include",
    "agents": PROJECT / "include" / "agents",
    "plugins": PROJECT / "plugins",
    "trainer": TRAINER,
}
MAY_IMPORT = {
    "dags": ("airflow.sdk", "include"),
    "include": (
        *STANDARD,
        "pydantic",
        "airflow.sdk",
        "airflow.providers",
        "airflow.serialization.serialized_objects",  # what the DAG processor stores, to refuse it one DAG at a time
        "boto3",  # the bucket of docker-compose.yaml, created in MLflow's image
        "botocore",
        "grafana_foundation_sdk",  # the dashboards, which `make dashboards` writes
        "jinja2",
        "kubernetes",
        "tenacity",
        "urllib3",
        "include",
        *LIGHT_OF_TRAINER,
    ),
    "agents": (*STANDARD, "pydantic", "httpx2", "mcp", "prompt_toolkit", "starlette", "uvicorn", "include.agents"),
    "plugins": (*STANDARD, "airflow", "fastapi", "include.environment.settings", "plugins"),
}
LIGHT_MAY_IMPORT = (*STANDARD, "psutil", "pydantic", "pydantic_core", "yaml", "fsspec", "trainer")


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


ALL = [
    (room, file)
    for room, folder in FOLDERS.items()
    for file in python_files(folder)
    if room != "include" or not file.is_relative_to(FOLDERS["agents"])
]
LIGHT = [
    file
    for name in LIGHT_OF_TRAINER
    for file in [TRAINER / f"{name.removeprefix('trainer.')}.py", *python_files(TRAINER / name.split(".")[1])]
    if file.exists()
]


def shown(file: Path) -> str:
    return str(file.relative_to(PROJECT))


def files_of(room: str) -> list[Path]:
    return [file for one, file in ALL if one == room]


def imported_names(text: str) -> Iterator[str]:
    """The full name of everything that a module imports, wherever in it: `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def below(names: list[str], roots: tuple[str, ...]) -> list[str]:
    return [name for name in names if is_below(name, roots)]


def outside(names: list[str], allowed: tuple[str, ...]) -> list[str]:
    return [name for name in names if not is_below(name, allowed)]


@cache
def names_of(file: Path) -> list[str]:
    return list(imported_names(file.read_text(encoding="utf-8")))


def breaks(files: Iterable[Path], rule: Callable[[list[str]], list[str]]) -> dict[str, list[str]]:
    """Return, by file, the imports that a rule refuses."""
    return {shown(file): refused for file in files if (refused := rule(names_of(file)))}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    assert breaks(files_of(room), lambda names: outside(names, MAY_IMPORT[room])) == {}


def test_the_trainer_knows_nothing_of_airflow_and_of_our_dags() -> None:
    foreign = ("airflow", "include", "dags", "plugins")
    assert breaks(python_files(TRAINER), lambda names: below(names, foreign)) == {}


def test_the_trainers_light_modules_import_only_light_ones() -> None:
    def heavy(names: list[str]) -> list[str]:
        return [*outside(names, LIGHT_MAY_IMPORT), *outside(below(names, ("trainer",)), LIGHT_OF_TRAINER)]

    assert breaks(LIGHT, heavy) == {}


def test_nothing_reaches_into_airflows_database() -> None:
    assert breaks([file for _, file in ALL], lambda names: below(names, FORBIDDEN_OF_AIRFLOW)) == {}


@pytest.mark.parametrize("word", ["os.environ", "getenv"])
def test_on_airflows_side_one_module_reads_the_environment(word: str) -> None:
    files = [file for room in ("dags", "include", "agents", "plugins") for file in files_of(room)]
    readers = [shown(file) for file in files if word in file.read_text(encoding="utf-8")]
    assert {Path(reader).name for reader in readers} <= {"settings.py"}, readers


LAYERS = (
    "errors", "addresses", "number_format", "connections", "cpu_quota", "environment", "redaction", "process", "pipeline", "run", "decision",
    "summary", "inference", "plots", "problems", "tables", "own_code", "sources", "checks", "drift", "feature_store", "drafting", "registry", "isolated",
    "evaluation", "training", "tuning", "reports", "modalities", "backtest", "scoring", "monitoring", "serving", "deployment", "experiments", "steps", "commands", "__main__",
)  # fmt: skip
"""The rooms of the trainer, from the ground up: none imports from one above it."""
MODULES = {
    ".".join(["trainer", *file.relative_to(TRAINER).with_suffix("").parts]).removesuffix(".__init__"): file
    for file in python_files(TRAINER)
}


@cache
def imported_modules(file: Path) -> set[str]:
    """The trainer's modules that a file imports when it is used; those of annotations alone do not count."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    guarded = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    for node in guarded:
        node.body = [ast.Pass()]
    names = imported_names(ast.unparse(tree))
    found = {name if name in MODULES else name.rpartition(".")[0] for name in names if is_below(name, ("trainer",))}
    return found & {*MODULES} - {"trainer"}


def layer_of(module: str) -> int:
    return LAYERS.index(module.split(".")[1])


def test_every_room_has_its_layer() -> None:
    assert {module.split(".")[1] for module in MODULES if module != "trainer"} == {*LAYERS}


def test_no_import_runs_upwards() -> None:
    upwards = {
        name: higher
        for name, file in MODULES.items()
        if name != "trainer" and (higher := [one for one in imported_modules(file) if layer_of(one) > layer_of(name)])
    }
    assert upwards == {}


def test_no_step_imports_another() -> None:
    steps = {name: imported_modules(file) for name, file in MODULES.items() if name.startswith("trainer.steps.")}
    assert {name: used for name, used in steps.items() if any(is_below(one, ("trainer.steps",)) for one in used)} == {}


def test_no_files_import_each_other_however_far_around() -> None:
    order = TopologicalSorter({name: imported_modules(file) - {name} for name, file in MODULES.items()})
    order.prepare()  # raises CycleError, which names the files


BREAKING = [
    ("dags", "import pandas"),
    ("dags", "from trainer.run import RunFolder"),
    ("include", "from trainer.steps import train"),
    ("include", "def f():\n    from trainer.registry.tracking import connect"),
    ("include", "import trainer"),
    ("include", "from airflow.models import DagRun"),
    ("include", "import polars as pl"),
    ("include", "import airflow.utils.session"),
    ("include", "try:\n    import pandas\nexcept ImportError:\n    import json"),
    ("include", "class A:\n    import mlflow"),
    ("include", "from trainer.registry import tracking"),
    ("agents", "from trainer.redaction import without_secrets"),
    ("agents", "from airflow.sdk import DAG"),
    ("plugins", "from include.operators.local import open_run"),
]


@pytest.mark.parametrize(("room", "text"), BREAKING)
def test_the_rules_notice_what_breaks_them(room: str, text: str) -> None:
    assert outside(list(imported_names(text)), MAY_IMPORT[room]) != []


def test_the_rules_look_at_something() -> None:
    rooms = [room for room, _ in ALL]
    assert set(rooms) == set(FOLDERS)
    found = {"trainer." + file.relative_to(TRAINER).with_suffix("").parts[0] for file in LIGHT}
    assert found == set(LIGHT_OF_TRAINER)
    assert {file.parent.name for file in LIGHT} == {
        "trainer", "pipeline", "run", "records", "decision", "process", "summary",
    }  # fmt: skip


@pytest.mark.parametrize(
    "module",
    [
        "trainer.pipeline", "trainer.run", "trainer.summary.summary", "trainer.summary.terminal", "trainer.run.execute",
        "trainer.decision", "trainer.errors", "trainer.environment", "trainer.__main__",
    ],
)  # fmt: skip
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {*done.stdout.split()}
    assert "trainer" in loaded
    assert loaded & {*HEAVY, "airflow", "include", "dags", "plugins"} == set()


PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
found = {"errors": bag.import_errors, "dags": sorted(bag.dags), "loaded": sorted(sys.modules)}
open(sys.argv[2], "w").write(json.dumps(found))
"""
IMPORT = """
import json, sys
import include.flows.training
open(sys.argv[2], "w").write(json.dumps({"loaded": sorted(sys.modules)}))
"""


@pytest.mark.parametrize("program", [PARSE, IMPORT], ids=["parsing dags/", "what a task imports"])
def test_airflows_process_stays_light(program: str, tmp_path: Path, airflow_home: Path) -> None:
    output = tmp_path / "modules.json"
    subprocess.run(
        [sys.executable, "-c", program, str(PROJECT / "dags"), str(output)],
        env={**os.environ, "PYTHONPATH": str(PROJECT)}, cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    found = json.loads(output.read_text())
    assert found.get("errors", {}) == {}
    assert found.get("dags", SHIPPED) == SHIPPED
    packages = {name.partition(".")[0] for name in found["loaded"]}
    assert "trainer" in packages
    assert packages & set(HEAVY) == set()
    assert "airflow.providers.smtp.notifications.smtp" not in found["loaded"]
