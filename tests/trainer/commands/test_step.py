"""A step on a node that only trains beside the one with the step."""

from __future__ import annotations

import pytest

from tests.conftest import Surroundings
from trainer.__main__ import main
from trainer.environment import nodes_variables
from trainer.pipeline import Pipeline
from trainer.run import RunFolder
from trainer.run.nodes import node_failure
from trainer.training.networks import node
from trainer.training.networks.meeting import Meeting


@pytest.fixture
def step(surroundings: Surroundings, small_churn: Pipeline, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The step of a run of which this process is the second of two nodes."""
    for name, value in {"TRAINER_NODES": "2", "TRAINER_MEETING": "localhost:29400", "TRAINER_JOB": "job-a"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    run = RunFolder.open(str(surroundings.home / "runs" / "churn" / "run-1"))
    run.write_text("pipeline.yaml", small_churn.to_yaml())
    return run.at("train", "logistic")


def train(step: RunFolder) -> int:
    return main(["step", step.step, "--run", step.uri, "--algorithm", step.algorithm])


def test_it_ends_with_the_step_and_writes_nothing_of_it(step: RunFolder) -> None:
    Meeting(step, nodes_variables()).close()
    assert train(step) == 0
    assert [*step.filesystem.find(step.path())] == [step.path("state/nodes/job-a/situation.json")]


def test_why_it_fails_is_kept_for_the_task_and_not_as_the_steps_own_failure(
    step: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(node, "SECONDS_WITHOUT_THE_STEP", 0)
    assert train(step) == 1
    assert step.failure() is None
    kept = node_failure(step, "job-a", 1)
    assert kept is not None
    assert (kept.step, kept.algorithm, kept.error, kept.exit_code) == ("train", "logistic", "ModelTrainingError", 1)
    assert kept.message in capsys.readouterr().out
    assert node_failure(step, "job-a", 2) is None
