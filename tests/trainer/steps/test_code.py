"""A run with code of its own: every step, and a model that answers where neither the clone nor this package is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.git_world import Repository
from tests.warm import WarmServers
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.registry.tracking import connect
from trainer.run import RunFolder
from trainer.run.records import AcceptResult, RegisterResult, StartResult, TuneResult

CORE = '''
import joblib
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from shared_rules import squash


class Churner(ClassifierMixin, BaseEstimator):
    """A linear score."""

    def __init__(self, strength=1.0):
        self.strength = strength

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        middle = X.mean(axis=0)
        self.weights_ = self.strength * (X[y == 1].mean(axis=0) - middle) / (X.std(axis=0) + 1e-9)
        self.middle_, self.spread_ = middle, X.std(axis=0) + 1e-9
        return self

    def predict_proba(self, X):
        share = squash((X - self.middle_) / self.spread_ @ self.weights_)
        return np.column_stack([1 - share, share])

    def predict(self, X):
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)]
'''
FILES = {
    "lib/my_models/__init__.py": "from my_models.core import Churner\n",
    "lib/my_models/core.py": CORE,
    "lib/shared_rules.py": "import numpy as np\n\n\ndef squash(x):\n    return 1 / (1 + np.exp(-x))\n",
    "lib/unrelated/__init__.py": "raise RuntimeError('nobody needs me')\n",
    "README.md": "models\n",
}
WITH_PATH = """
import os, sys
from trainer.__main__ import main

sys.path[1:1] = os.environ["PYTHONPATH"].split(os.pathsep)
sys.exit(main(sys.argv[1:]))
"""
"""For a fork, which takes its path from the server."""
ALGORITHM = {
    "KIND": "sklearn",
    "estimator": "my_models.Churner",
    "search": {"strength": {"low": 0.1, "high": 2.0}},
}
TO_ACCEPT = (
    "ingest", "engineer_features", "tune", "train", "refit", "evaluate", "explain", "decide", "register", "accept"
)  # fmt: skip


@dataclass
class World:
    """A home with stores, a repository, and steps that run in processes of their own."""

    home: Path
    repository: Repository
    pipeline: Pipeline
    warm: WarmServers

    @property
    def run(self) -> RunFolder:
        return RunFolder.open(f"file://{self.home}/runs/churn/run-1")

    @property
    def clone(self) -> Path:
        return self.home / "code"

    def trainer(self, *arguments: str, fork: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TRAINER_PIPELINE": self.pipeline.to_yaml(), **variables}
        arguments = (*arguments, "--run", self.run.uri)
        if fork:
            return self.warm.run([str(self.home / "with_path.py"), *arguments], environment, self.home)
        command = [sys.executable, "-m", "trainer", *arguments]
        return subprocess.run(command, cwd=self.home, env=environment, capture_output=True, text=True)

    def checkout(self, step: str, algorithm: str = "") -> subprocess.CompletedProcess[str]:
        chosen = ["--algorithm", algorithm] if algorithm else []
        return self.trainer("checkout", "--step", step, *chosen, TRAINER_CODE=str(self.clone))

    def step(self, name: str, *, fork: bool) -> subprocess.CompletedProcess[str]:
        """As a pod runs it: the clone's folder is named, and Python imports from it."""
        chosen = ["--algorithm", "own"] if name in {"tune", "train"} else []
        path = {"TRAINER_CODE": str(self.clone), "PYTHONPATH": str(self.clone / "lib")}
        return self.trainer("step", name, *chosen, fork=fork, **path)


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, standing_in: Any, session_churn: Pipeline, warm: WarmServers
) -> Iterator[World]:
    """A run that has come as far as `accept`; its branch moved after `start`, and other pods cloned again."""
    home = tmp_path_factory.mktemp("coded")
    repository = Repository.create(home / "models", FILES)
    sections = {"algorithms": {"own": ALGORITHM}, "code": {"repository": repository.address, "path": "lib"}}
    pipeline = pipeline_of({**session_churn.model_dump(mode="json"), **sections})
    with standing_in(home):
        made = World(home, repository, pipeline, warm)
        (home / "with_path.py").write_text(WITH_PATH)
        must(made.checkout("start"))
        must(made.step("start", fork=False))
        repository.commit({"lib/my_models/core.py": "raise RuntimeError('the branch has moved')\n"})
        shutil.rmtree(made.clone)
        must(made.checkout("ingest"))
        for name in TO_ACCEPT:
            must(made.step(name, fork=name != "train"))
        yield made


def must(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def first_commit(world: World) -> str:
    from tests.git_world import git

    return git("rev-list", "--max-parents=0", "HEAD", cwd=world.repository.folder)


def test_the_commit_of_start_is_the_runs(world: World) -> None:
    commit = first_commit(world)
    code = world.run.pipeline().code
    assert code is not None
    assert (code.commit, code.ref) == (commit, "main")
    assert commit != world.repository.head
    start = world.run.at("start").result(StartResult)
    assert (start.git_commit, start.code_repository) == (commit, world.repository.address)


def test_mlflow_knows_the_code_and_the_trainer_apart(world: World) -> None:
    client = connect()
    start = world.run.at("start").result(StartResult)
    expected = {
        "code.git_commit": first_commit(world), "code.repository": world.repository.address, "code.ref": "main",
    }  # fmt: skip
    for run in client.search_runs([start.experiment_id]):
        assert run.data.tags.items() >= expected.items()
        assert run.data.tags["trainer.git_commit"] not in {"", expected["code.git_commit"]}
    registered = world.run.at("register").result(RegisterResult)
    assert client.get_model_version(registered.model, registered.version).tags.items() >= expected.items()


def test_the_version_is_accepted(world: World) -> None:
    accepted = world.run.at("accept").result(AcceptResult)
    assert accepted.largest_difference < 1e-9
    assert accepted.version == "1"


def test_the_model_carries_what_its_estimator_needs_and_no_more(world: World) -> None:
    import mlflow

    registered = world.run.at("register").result(RegisterResult)
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{registered.model}/1"))
    assert {one.name for one in (folder / "code").iterdir()} == {"trainer", "my_models", "shared_rules.py"}
    assert (folder / "code/my_models/core.py").read_text() == CORE
    assert f"joblib=={version('joblib')}" in (folder / "requirements.txt").read_text().split()


def test_the_version_answers_where_neither_clone_nor_package_is(world: World, tmp_path: Path) -> None:
    registered = world.run.at("register").result(RegisterResult)
    script = (
        "import sys, mlflow, json\n"
        f"model = mlflow.pyfunc.load_model('models:/{registered.model}/{registered.version}')\n"
        "answer = model.predict(model.input_example)\n"
        "import my_models, trainer\n"
        "print(json.dumps([len(answer), my_models.__file__, trainer.__file__]))\n"
    )
    libraries = sysconfig.get_paths()["purelib"]
    kept = {name: value for name, value in os.environ.items() if name != "TRAINER_CODE"}
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", script],
        cwd=tmp_path, env={**kept, "PYTHONPATH": libraries}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows, models, package = json.loads(done.stdout.splitlines()[-1])
    assert rows == 3
    assert not any(place.startswith((str(world.clone), str(Path(__file__).parents[3]))) for place in (models, package))


def test_a_study_is_named_by_the_commit(world: World) -> None:
    from trainer.tuning.studies import study_name

    frozen = world.run.pipeline()
    name = world.run.at("tune", "own").result(TuneResult).study
    digest = json.loads(world.run.at("ingest").read_text("result.json"))["digest"]
    assert name == study_name(world.run.key, "own", frozen, digest)
    document = frozen.model_dump(mode="json")
    other = pipeline_of({**document, "code": {**document["code"], "commit": "0" * 40}})
    assert study_name(world.run.key, "own", other, digest) != name


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({}, "the pipeline has `code`, and TRAINER_CODE names no folder with its clone", id="none"),
        pytest.param({"TRAINER_CODE": "{home}/empty"}, "holds no complete clone of file://", id="empty"),
        pytest.param({"TRAINER_CODE": "{home}/other"}, "and this run uses ", id="other-commit"),
        pytest.param({"TRAINER_CODE": "{home}/code"}, "Python does not import from", id="not-on-the-path"),
    ],
)
def test_a_step_without_the_runs_code_is_not_begun(world: World, variables: dict[str, str], expected: str) -> None:
    from trainer.own_code.clone import clone
    from trainer.own_code.git import Git

    code = world.pipeline.code
    assert code is not None
    with Git.of(code.repository) as git:
        clone(git, code, world.repository.head, world.home / "other")
    given: Any = {name: value.format(home=world.home) for name, value in variables.items()}
    done = world.trainer("step", "detect_drift", **given)
    assert done.returncode == 2, done.stdout + done.stderr
    failure = world.run.at("detect_drift").failure()
    assert failure is not None
    assert expected in failure.message
    assert failure.error == ConfigurationError.__name__


def test_checkouts_failure_is_the_steps(world: World) -> None:
    frozen = world.run.read_text("pipeline.yaml")
    document = yaml.safe_load(frozen)
    world.run.write_text(
        "pipeline.yaml", yaml.safe_dump({**document, "code": {**document["code"], "commit": "f" * 40}})
    )
    done = world.checkout("promote")
    world.run.write_text("pipeline.yaml", frozen)
    assert done.returncode == 2
    failure = world.run.at("promote").failure()
    assert failure is not None
    assert failure.message.startswith("code.commit: ")
    assert "has no commit ffff" in failure.message
