"""The lock files: one version of each package everywhere, and nothing in an image that it does not need."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
LOCKS = [PROJECT / "requirements-airflow.txt", *sorted((PROJECT / "tasks_image").glob("requirements-*.txt"))]
TRAINING = {
    "evidently", "great-expectations", "lightgbm", "matplotlib", "mlflow", "mlflow-skinny", "numpy", "optuna", "pandas", "polars",
    "pyarrow", "scikit-learn", "scipy", "shap", "torch", "xgboost", "xgboost-cpu",
}  # fmt: skip
PARSE = """
import sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print(sorted(bag.dags), bag.import_errors, [dag.dag_id for dag in bag.dags.values() if "broken" in dag.tags])
"""


def pins(lock: Path) -> dict[str, set[str]]:
    """The versions by package; some have one more for a later Python."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_locks_that_are_there() -> None:
    assert [lock.name.removeprefix("requirements-").removesuffix(".txt") for lock in LOCKS] == [
        "airflow", "language", "mlflow", "tabular", "vision",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "lock", [*LOCKS, PROJECT / "requirements.txt", PROJECT / "requirements-dev.txt"], ids=lambda lock: lock.stem
)
def test_a_lock_pins_every_line_with_hashes(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if line and not line.lstrip().startswith("#")]
    requirements = "\n".join(lines).replace(" \\\n", "").splitlines()
    assert len(requirements) > 50
    pinned = re.compile(r"[a-z0-9.-]+(\[[a-z0-9,-]+\])?==\d\S*( ; .+?)?(    --hash=sha256:[0-9a-f]{64})+")
    assert [requirement for requirement in requirements if not pinned.fullmatch(requirement)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_holds_the_versions_of_the_laptop(lock: Path) -> None:
    laptop = pins(PROJECT / "requirements.txt")
    own = pins(lock)
    assert len({*own} & {*laptop}) > 50
    assert {name: versions for name, versions in own.items() if name in laptop and not versions <= laptop[name]} == {}


def test_airflow_has_no_library_that_trains() -> None:
    assert {*pins(PROJECT / "requirements-airflow.txt")} & TRAINING == set()


def test_the_server_of_mlflow_has_its_drivers_and_nothing_that_tunes() -> None:
    own = {*pins(PROJECT / "tasks_image/requirements-mlflow.txt")}
    assert {"mlflow", "boto3", "psycopg2-binary"} <= own
    assert (
        own & {"evidently", "great-expectations", "lightgbm", "optuna", "polars", "shap", "torch", "xgboost-cpu"}
        == set()
    )


def test_the_image_for_tables_reaches_the_stores_and_has_no_cuda() -> None:
    own = {*pins(PROJECT / "tasks_image/requirements-tabular.txt")}
    assert {"boto3", "psycopg2-binary", "s3fs", "xgboost-cpu"} <= own
    assert {name for name in own if name.startswith(("cuda", "nvidia", "torch"))} == set()


@pytest.mark.parametrize("name", ["vision", "language"])
def test_a_gpu_image_has_one_xgboost_and_one_nccl_and_nothing_that_compiles(name: str) -> None:
    own = pins(PROJECT / f"tasks_image/requirements-{name}.txt")
    assert (own["torch"], own["xgboost"]) == ({"2.13.0"}, {"3.2.0"})
    assert "xgboost-cpu" not in own
    assert [package for package in own if "nccl" in package] == ["nvidia-nccl-cu13"]
    assert "triton" not in own


def test_what_a_lock_leaves_out_is_not_installed_all_the_same() -> None:
    installs = re.findall(r"^uv pip install .*", (PROJECT / "tasks_image/install-locked.sh").read_text(), re.MULTILINE)
    assert len(installs) == 1
    assert " --no-deps " in installs[0]


@pytest.mark.end_to_end
def test_the_dags_parse_with_what_airflows_image_installs(tmp_path: Path) -> None:
    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "venv/bin/python"
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", python]
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
    subprocess.run([*install, "--requirement", PROJECT / "requirements-airflow.txt"], check=True)
    subprocess.run([*install, "--no-deps", PROJECT / "tasks_image"], check=True)
    environment = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    command: list[str | Path] = [python, "-c", PARSE, PROJECT / "dags"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines()[-1]
        == "['bikes_requests', 'bikes_training', 'california_housing_requests', 'california_housing_training', 'churn_deployment', 'churn_monitoring', 'churn_requests', 'churn_scoring', 'churn_training', 'mnist_requests', 'mnist_training', 'wikitext_requests', 'wikitext_training'] {} []"
    )
