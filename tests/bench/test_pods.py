"""A step through both operators; how long they take is not tested here."""

import pytest

from bench import pods
from include.operators.base import StepOperator
from trainer.errors import TrainerError
from trainer.run.records import Result


@pytest.fixture
def quick(monkeypatch):
    """One pair, of a command that hardly takes any time."""
    monkeypatch.setattr(pods, "REPEATS", 1)
    monkeypatch.setattr(pods, "SLEPT", 0.01)


def test_both_operators_run_the_same_command_to_its_end(quick, monkeypatch, capfd):
    command, seen = StepOperator.command, []

    def noted(operator):
        seen.append((type(operator).__name__, operator.command))
        return seconds(operator)

    seconds = pods._seconds
    monkeypatch.setattr(pods, "_seconds", noted)
    [figure] = pods.pod_step_overhead()
    once = ["sh", "-c", "seq 20; sleep 0.01"]
    assert seen == [("PodStepOperator", once), ("LocalStepOperator", once)] * 2  # the first two warm up
    assert (figure.name, figure.unit, figure.better) == ("pod_step_overhead", "ms per step", "lower")
    assert "less the 0.01 s" in figure.how
    assert "median of 1 pairs" in figure.how
    assert StepOperator.command is command
    assert capfd.readouterr().out == ""


def test_a_step_that_fails_is_no_measurement(quick, monkeypatch):
    monkeypatch.setattr(pods, "SLEPT", -1)  # which `sleep` refuses
    with pytest.raises(TrainerError, match="did not come to its end: StepFailedError: evaluate: .* exit code 1"):
        pods.pod_step_overhead()


def test_the_run_is_one_in_which_the_step_is_done(tmp_path):
    operator = StepOperator(task_id=pods.STEP, step=pods.STEP, run=pods._run_folder(tmp_path))
    assert operator.run_folder().result(Result) == Result()
