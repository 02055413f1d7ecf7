"""Saving: a model that carries its code, its exact requirements, a signature and an example."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import polars as pl
import pytest
import yaml

import trainer
from tests.world import PROJECT
from trainer.errors import ConfigurationError
from trainer.inference.fitted import FittedPipeline
from trainer.pipeline import Features, LightGBM, Preprocess, Sklearn, XGBoost
from trainer.problems import problem_of
from trainer.registry.savers import EXAMPLE_ROWS, PyFuncSaver, requirements_of
from trainer.registry.signers import SchemaSigner
from trainer.tables.row_subset import all_of
from trainer.training.fitting import fit_pipeline
from trainer.training.libraries import library_of
from trainer.training.services import MlflowService, RunConfig

ROWS = pl.DataFrame({"n": [1.0, 2.0, None, 4.0] * 10, "whole": [1, 2, 3, None] * 10, "t": ["a", "b", "a", "c"] * 10})
TARGETS = pl.Series("y", ["no", "yes", "no", "yes"] * 10)


@dataclass(frozen=True)
class Saved:
    folder: Path
    fitted: FittedPipeline
    info: Any

    @property
    def described(self) -> dict[str, Any]:
        described: dict[str, Any] = yaml.safe_load((self.folder / "MLmodel").read_text(encoding="utf-8"))
        return described


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, standing_in: Any) -> Iterator[Saved]:
    """A small model, saved to a store of its own and fetched again."""
    model = Sklearn(estimator="sklearn.linear_model.LogisticRegression")
    both = (all_of(ROWS), TARGETS)
    fitted = fit_pipeline(
        problem_of("binary_classification"), model, Features(fit={"middle": "median(n)"}, derive={"above": "n > middle"}),
        Preprocess(), "yes", training=both, validation=both, seed=1, threads=1,
    )  # fmt: skip
    home = tmp_path_factory.mktemp("saved")
    with standing_in(home):
        service = MlflowService()
        service.client()
        with service.run_context(RunConfig(experiment="savers", name="saving")):
            signature = SchemaSigner().sign(ROWS, fitted.predict(ROWS))
            info = PyFuncSaver().save(fitted, signature, ROWS, {"algorithm": "logistic"})
        folder = mlflow.artifacts.download_artifacts(info.model_uri, dst_path=str(home / "model"))
        yield Saved(Path(folder), fitted, info)


def test_the_code_travels_with_the_model(saved: Saved) -> None:
    package = Path(trainer.__file__).parent
    bundled = saved.folder / "code" / "trainer"
    found = {file.relative_to(bundled) for file in bundled.rglob("*.py")}
    assert {file.parts[0] for file in found} == {"inference", "pipeline", "__init__.py", "addresses.py", "errors.py"}
    assert all((bundled / file).read_bytes() == (package / file).read_bytes() for file in found)
    rooms = {file.relative_to(package) for room in ("inference", "pipeline") for file in (package / room).rglob("*.py")}
    assert rooms < found


def test_nothing_else_of_this_package_is_needed_to_answer(saved: Saved) -> None:
    """In a process without this repository; MLflow puts the model's own code onto the path."""
    script = (
        "import json, sys, mlflow.pyfunc\n"
        f"model = mlflow.pyfunc.load_model({str(saved.folder)!r})\n"
        "answers = model.predict(model.input_example)\n"
        "print(json.dumps([len(answers), sorted({m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'trainer'})]))"
    )
    outside = [place for place in sys.path if not Path(place or ".").resolve().is_relative_to(PROJECT / "tasks_image")]
    setting = {**os.environ, "PYTHONPATH": "", "MLFLOW_TRACKING_URI": "sqlite://"}
    code = f"import sys; sys.path = {outside!r}\n{script}"
    done = subprocess.run([sys.executable, "-S", "-c", code], env=setting, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, files = json.loads(done.stdout.splitlines()[-1])
    assert rows == EXAMPLE_ROWS
    assert all(Path(file).is_relative_to(saved.folder / "code" / "trainer") for file in files)
    assert 10 < len(files) <= len([*(saved.folder / "code" / "trainer").rglob("*.py")]) < 43


def test_requirements_are_pinned_to_what_is_installed(saved: Saved) -> None:
    lines = (saved.folder / "requirements.txt").read_text(encoding="utf-8").split()
    pinned = dict(line.split("==") for line in lines)
    assert {"mlflow", "polars", "scikit-learn", "pydantic"} <= pinned.keys()
    assert all(version(name) == number for name, number in pinned.items())
    assert "trainer" not in pinned


@pytest.mark.parametrize(
    ("algorithm", "package"),
    [
        (XGBoost(), "xgboost-cpu"),
        (LightGBM(), "lightgbm"),
        (Sklearn(estimator="sklearn.linear_model.Ridge"), None),
    ],
    ids=["xgboost", "lightgbm", "sklearn"],
)
def test_only_the_estimators_own_package_is_required(algorithm: Any, package: str | None) -> None:
    estimator = library_of(algorithm).build(algorithm, problem_of("regression"), 1, 1)
    names = {line.split("==")[0] for line in requirements_of(estimator)}
    assert names & {"xgboost-cpu", "lightgbm"} == ({package} if package else set())


def test_an_estimator_of_no_installed_package_is_refused() -> None:
    class Loose:
        """Of this test alone."""

    with pytest.raises(ConfigurationError, match="belongs to no installed package"):
        requirements_of(Loose())


def test_signature_and_metadata_are_kept(saved: Saved) -> None:
    signature = saved.info.signature
    assert {column.name: column.required for column in signature.inputs.inputs} == {
        "n": False,
        "whole": False,
        "t": True,
    }
    assert signature.outputs.input_names() == ["prediction", "probability"]
    assert saved.described["metadata"] == {"algorithm": "logistic"}


def test_an_example_of_the_inputs_is_kept(saved: Saved) -> None:
    example = mlflow.pyfunc.Model.load(saved.folder).load_input_example(saved.folder)
    assert example["t"].tolist() == ROWS["t"].head(EXAMPLE_ROWS).to_list()


def test_the_fitted_pipeline_is_the_one_that_was_saved(saved: Saved) -> None:
    (file,) = saved.folder.rglob("fitted.pickle")
    loaded = pickle.loads(file.read_bytes())
    assert loaded.predict(ROWS).equals(saved.fitted.predict(ROWS))
    assert loaded.cut_off == saved.fitted.cut_off


def test_the_model_is_loaded_from_code_and_not_from_a_pickle_of_the_class(saved: Saved) -> None:
    flavor = saved.described["flavors"]["python_function"]
    assert flavor["code"] == "code"
    assert flavor["model_code_path"].endswith("entry_point.py")
