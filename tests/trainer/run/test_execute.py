"""Doing a step in its folder."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trainer.environment import Means, cores_paid, variable_name
from trainer.errors import DataValidationError, ModelTrainingError, OutageError, StepNotDoneError
from trainer.process.sigterm import ENDED
from trainer.run import RunFolder
from trainer.run.execute import execute, failure_of
from trainer.run.records import DriftResult, Failure, RegisterResult

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline

RESULT = RegisterResult(model="churn", version="3", created=True)


@pytest.fixture(autouse=True)
def without_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Means.model_fields:
        monkeypatch.delenv(variable_name(field), raising=False)


@pytest.fixture
def step(tmp_path: Path) -> RunFolder:
    return RunFolder.open(str(tmp_path / "churn/key-1")).at("register")


def test_a_step_that_ends_well_is_done_and_timed(step: RunFolder, churn: Pipeline) -> None:
    def work(pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        assert (pipeline, run) == (churn, step)
        time.sleep(0.02)
        return RESULT

    done = execute(work, churn, step)
    assert step.result(RegisterResult) == done
    assert 0.02 <= done.seconds < 5
    assert abs((datetime.now(UTC) - datetime.fromisoformat(done.finished_at)).total_seconds()) < 5
    own = {"seconds": 0.0, "finished_at": "", "cores": None}
    assert done.model_copy(update=own) == RESULT  # without rates nothing is said of its cost


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod of one core and a half and one GPU; nothing else of a step's environment is there."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name, value in {"CORES": "1.5", "GPUS": "1", "CPU_CORE_HOUR_RATE": "36", "GPU_HOUR_RATE": "360"}.items():
        monkeypatch.setenv(f"TRAINER_{name}", value)


@pytest.mark.usefixtures("rates")
def test_a_step_is_paid_for_the_time_that_it_takes(step: RunFolder, churn: Pipeline) -> None:
    done = execute(lambda _pipeline, _run: RESULT, churn, step)
    assert (done.cores, done.gpus) == (1.5, 1)
    assert done.cost_gpu_usd == pytest.approx(0.1 * done.seconds)
    assert done.cost_usd == pytest.approx((0.015 + 0.1) * done.seconds)
    assert step.result(RegisterResult) == done


@pytest.mark.usefixtures("rates")
def test_a_step_is_paid_for_all_its_nodes(step: RunFolder, churn: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINER_NODES", "3")
    done = execute(lambda _pipeline, _run: RESULT, churn, step)
    assert (done.cores, done.gpus) == (4.5, 3)
    assert done.cost_usd == pytest.approx(3 * (0.015 + 0.1) * done.seconds)


def test_a_step_without_rates_says_on_how_much_it_ran(step: RunFolder, churn: Pipeline) -> None:
    done = execute(lambda _pipeline, _run: RESULT, churn, step)
    assert (done.cores, done.gpus, done.cost_usd, done.cost_gpu_usd) == (cores_paid(), 0, None, None)


def test_a_step_that_sigterm_ends_keeps_why(step: RunFolder, churn: Pipeline) -> None:
    step.finish(RESULT)

    def work(_pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        raise SystemExit(ENDED)

    with pytest.raises(SystemExit):
        execute(work, churn, step)
    failure = step.failure()
    assert failure is not None
    assert (failure.error, failure.exit_code) == ("StepEnded", 143)
    assert failure.message.startswith("ended by SIGTERM before it was done: ")
    assert "\nproduction stays what it was" in failure.message
    assert step.result_or_none(RegisterResult) is None


def test_while_a_step_runs_it_is_not_done(step: RunFolder, churn: Pipeline) -> None:
    step.write_text("stale.txt", "of the run before")
    step.finish(RESULT)

    def work(_pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        assert not Path(run.path("stale.txt")).exists()
        with pytest.raises(StepNotDoneError):
            run.result(RegisterResult)
        return RESULT

    assert execute(work, churn, step).version == "3"


def test_a_failure_is_kept_and_raised(step: RunFolder, churn: Pipeline) -> None:
    step.finish(RESULT)

    def work(_pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        error = DataValidationError("17 rows are wrong")
        error.add_note("stage: reading")
        raise error

    with pytest.raises(DataValidationError, match="17 rows"):
        execute(work, churn, step)
    assert step.result_or_none(RegisterResult) is None
    stays = "production stays what it was: the run did not get as far as asking for its version"
    message = f"17 rows are wrong\nstage: reading\n{stays}"
    assert step.failure() == Failure(step="register", error="DataValidationError", message=message, exit_code=3)


@pytest.mark.parametrize(
    ("version", "said"),
    [("7", "production stays version 7"), ("", "there is no production version to fall back to; none moves")],
)
def test_a_failure_says_which_model_goes_on(version: str, said: str, step: RunFolder, churn: Pipeline) -> None:
    step.at("detect_drift").finish(DriftResult(status="no_reference", reference_version=version))

    def work(_pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        raise ModelTrainingError("did not converge")

    with pytest.raises(ModelTrainingError):
        execute(work, churn, step.at("train", "logistic"))
    failure = step.at("train", "logistic").failure()
    assert failure is not None
    assert failure.message == f"did not converge\n{said}"


def test_a_failure_is_kept_without_secrets(step: RunFolder, churn: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "planted-secret")

    def work(_pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        error = ModelTrainingError("login planted-secret refused by http://anna:pa55word@host/")
        error.add_note("sent planted-secret twice")
        raise error

    with pytest.raises(ModelTrainingError):
        execute(work, churn, step)
    failure = step.failure()
    assert failure is not None
    assert failure.message.startswith("login *** refused by http://anna:***@host/\nsent *** twice\n")


def test_the_record_of_an_error_of_a_megabyte_keeps_its_beginning_and_its_end(step: RunFolder) -> None:
    message = failure_of(DataValidationError(f"rows.csv: {'x' * 1_000_000} is no number"), step).message
    assert message.startswith("rows.csv: xxx")
    assert message.endswith("xxx is no number")
    assert len(message) < 21_000


def test_a_failure_while_promoting_does_not_claim_that_nothing_moved(step: RunFolder, churn: Pipeline) -> None:
    step.at("detect_drift").finish(DriftResult(status="stable", reference_version="7"))

    def work(_pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        raise OSError("the registry is away")

    with pytest.raises(OSError, match="away") as raised:
        execute(work, churn, step.at("promote"))
    (note,) = raised.value.__notes__
    assert "before it production was version 7. Clear the task `promote`" in note


def test_where_memory_runs_out_it_is_said_what_to_do(step: RunFolder, churn: Pipeline) -> None:
    def work(_pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        raise MemoryError("Unable to allocate 80 GiB")

    with pytest.raises(MemoryError):
        execute(work, churn, step)
    failure = step.failure()
    assert failure is not None
    assert failure.message.startswith(
        "Unable to allocate 80 GiB\nmemory ran out; lower the run parameters `sample_ratio`"
    )
    assert failure.exit_code == 1


def test_an_interrupted_step_is_neither_done_nor_failed(step: RunFolder, churn: Pipeline) -> None:
    step.finish(RESULT)

    def work(_pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(work, churn, step)
    assert (step.result_or_none(RegisterResult), step.failure()) == (None, None)


def test_an_error_of_a_library_can_be_tried_again(step: RunFolder) -> None:
    failure = failure_of(ZeroDivisionError("division by zero"), step.at("tune", "xgboost"))
    assert (failure.step, failure.algorithm, failure.error, failure.exit_code) == (
        "tune",
        "xgboost",
        "ZeroDivisionError",
        1,
    )


def test_a_store_that_takes_no_record_does_not_hide_the_reason(
    step: RunFolder, churn: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def work(_pipeline: Pipeline, run: RunFolder) -> RegisterResult:
        monkeypatch.setattr(RunFolder, "write_text", _read_only)
        raise DataValidationError("17 rows are wrong")

    with pytest.raises(DataValidationError, match="17 rows"):
        execute(work, churn, step)
    assert "why it failed could not be kept in the run folder" in caplog.text


def test_a_result_that_cannot_be_kept_is_an_outage(
    step: RunFolder, churn: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunFolder, "finish", _read_only)
    with pytest.raises(OutageError, match="may not be written or read"):
        execute(lambda _pipeline, _run: RESULT, churn, step)
    assert step.result_or_none(RegisterResult) is None


def _read_only(_run: RunFolder, *_: object) -> None:
    raise PermissionError(13, "Permission denied", "/runs")
