"""Scoring in a process of its own: the model's bundled code answers, and every refusal has its reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import trainer
from tests.trainer.isolated.models import ROWS, Logged, both_ways
from trainer.environment import python_environment
from trainer.errors import ModelRefusedError, TrainerError
from trainer.isolated import score_model, scoring
from trainer.isolated.scoring import score_in_isolation, try_in_isolation
from trainer.process.forked import ForkServer
from trainer.registry.signers import SchemaSigner


@pytest.fixture
def altered(logged: Logged, tmp_path: Path) -> Callable[[str, str, str], str]:
    """The address of a copy of the model with one text of a bundled file replaced."""

    def alter(name: str, old: str, new: str) -> str:
        shutil.copytree(logged.folder, tmp_path / "model")
        file = tmp_path / "model" / "code" / "trainer" / name
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1
        file.write_text(text.replace(old, new), encoding="utf-8")
        return (tmp_path / "model").as_uri()

    return alter


@both_ways
def test_a_model_answers_in_batches_as_it_does_here(logged: Logged) -> None:
    scored = score_in_isolation(logged.uri, ROWS.with_columns(more=pl.lit("ignored")), batch_size=7)
    expected = logged.fitted.predict(ROWS)
    assert scored.output["prediction"].equals(expected["prediction"])
    assert scored.output["probability"].to_list() == pytest.approx(expected["probability"].to_list(), abs=1e-12)
    on_disk = sum(file.stat().st_size for file in logged.folder.rglob("*") if file.is_file()) / 1e6
    assert scored.size_mb == pytest.approx(on_disk, rel=0.1)
    assert 50 < scored.memory_mb < 5000


def test_a_model_is_tried_as_serving_will_use_it(logged: Logged) -> None:
    tried = try_in_isolation(logged.uri, ROWS, None, batch_rows=90)
    assert tried.output["probability"].to_list() == logged.fitted.predict(ROWS)["probability"].to_list()
    assert (tried.batch_rows, tried.format_faults, tried.not_refused) == (90, [], [])
    for timing in (tried.one_row, tried.batch):
        assert timing.calls >= score_model.TIMED_CALLS[0]
        assert 0 < timing.median_ms <= timing.p99_ms


def test_what_serving_would_lack_is_named(logged: Logged, tmp_path: Path) -> None:
    shutil.copytree(logged.folder, tmp_path / "model")
    (tmp_path / "model" / "requirements.txt").write_text("polars\nnumpy>=2\nmlflow==3\n", encoding="utf-8")
    (example,) = (tmp_path / "model").glob("input_example.json")
    example.unlink()
    file = tmp_path / "model" / "MLmodel"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["signature"]["outputs"] = None
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    faults = try_in_isolation((tmp_path / "model").as_uri(), ROWS, None, batch_rows=2).format_faults
    assert faults[:2] == ["its signature has no outputs", "requirements without an exact version: polars, numpy>=2"]
    assert faults[2].startswith("it does not predict its own input example: MlflowException")


@dataclass(frozen=True)
class Metadata:
    """What MLflow would say of a model."""

    flavors: dict[str, Any]

    def get_output_schema(self) -> str:
        return "a schema"

    def get_input_schema(self) -> Any:
        return SchemaSigner().sign(ROWS, ROWS).inputs

    def load_input_example(self, _folder: str) -> None:
        return None


@pytest.mark.parametrize(
    ("flavors", "fault"),
    [({}, "it has no flavor python_function"), ({"python_function": {"code": "code"}}, "no code is bundled with it")],
    ids=["no-flavor", "no-code"],
)
def test_a_folder_that_is_no_model_for_serving(tmp_path: Path, flavors: dict[str, Any], fault: str) -> None:
    assert list(score_model._format_faults(Metadata(flavors), tmp_path)) == [fault, "it names no requirements"]
    assert list(score_model._example_faults(Model(Metadata(flavors), None), tmp_path)) == ["it has no input example"]


@dataclass(frozen=True)
class Model:
    metadata: Metadata
    predict: Any


def _stumble(_rows: Any) -> None:
    raise KeyError("k")


@pytest.mark.parametrize("predict", [lambda rows: rows, _stumble], ids=["answers", "stumbles-further-in"])
def test_a_missing_column_that_the_signature_lets_pass_is_named(predict: Any) -> None:
    """`n` and `t` have missing values in training: they are optional."""
    assert score_model._not_refused(Model(Metadata({}), predict), ROWS.head(1).to_pandas()) == ["k"]


def test_times_are_of_single_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks) * 0.001)
    monkeypatch.setattr(score_model, "TIMED_SECONDS", 0.3)
    calls: list[None] = []
    timed = score_model._timed(lambda: calls.append(None))
    assert timed["calls"] == len(calls) - 1  # one to warm up
    assert timed["median_ms"] == pytest.approx(1)
    assert timed["p99_ms"] == pytest.approx(1)
    assert timed["calls"] == pytest.approx(100, abs=2)


def test_the_99th_percentile_is_a_time_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    durations = [5.0, 1.0, *([2.0] * 197), 9.0]
    clock = [0.0]
    waits = iter([0.0, *durations])  # the first call warms up
    monkeypatch.setattr(score_model, "TIMED_CALLS", (200, 200))
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def call() -> None:
        clock[0] += next(waits) / 1000

    timed = score_model._timed(call)
    assert timed == {"median_ms": pytest.approx(2), "p99_ms": pytest.approx(2), "calls": 200}


@both_ways
def test_memory_that_runs_out_is_not_the_models_fault(altered: Callable[..., str]) -> None:
    uri = altered("inference/fitted.py", "probability = shares[:, code]", "raise MemoryError")
    with pytest.raises(
        TrainerError, match=r"memory ran out; lower the run parameters `sample_ratio` or `batch_size`"
    ) as raised:
        score_in_isolation(uri, ROWS)
    assert raised.value.retry_can_help


@both_ways
def test_the_models_own_code_answers_and_not_the_code_that_is_installed(altered: Callable[..., str]) -> None:
    uri = altered("inference/fitted.py", "probability = shares[:, code]", "probability = shares[:, code] * 0 + 0.125")
    assert score_in_isolation(uri, ROWS).output["probability"].to_list() == [0.125] * ROWS.height


@both_ways
def test_without_its_code_a_model_cannot_be_loaded(logged: Logged, tmp_path: Path) -> None:
    """The package that is installed here does not stand in: it cannot be imported there."""
    shutil.copytree(logged.folder, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "code" / "trainer")
    with pytest.raises(ModelRefusedError, match="No module named 'trainer'"):
        score_in_isolation((tmp_path / "model").as_uri(), ROWS)


@both_ways
def test_code_from_elsewhere_is_refused(logged: Logged, tmp_path: Path) -> None:
    """The package that is installed here cannot be read there, even if a model knows where it lies."""
    shutil.copytree(logged.folder, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "code" / "trainer")
    serving = tmp_path / "model" / "entry_point.py"
    elsewhere = str(Path(trainer.__file__).parent.parent)
    serving.write_text(
        f"import sys\nsys.path.append({elsewhere!r})\n{serving.read_text(encoding='utf-8')}", encoding="utf-8"
    )
    with pytest.raises(ModelRefusedError, match=r"No module named 'trainer'"):
        score_in_isolation((tmp_path / "model").as_uri(), ROWS)


def test_a_bundled_module_whose_name_is_taken_is_refused(logged: Logged, tmp_path: Path) -> None:
    shutil.copytree(logged.folder, tmp_path / "model")
    (tmp_path / "model" / "code" / "json.py").write_text("answer = 42\n")
    with pytest.raises(ModelRefusedError, match=r"would run on .*json.* and not on its own bundled code"):
        score_in_isolation((tmp_path / "model").as_uri(), ROWS)


def test_a_model_that_cannot_be_loaded_is_refused_with_the_reason(logged: Logged, tmp_path: Path) -> None:
    shutil.copytree(logged.folder, tmp_path / "model")
    (pickled,) = (tmp_path / "model").rglob("fitted.pickle")
    pickled.write_bytes(b"no pickle")
    with pytest.raises(ModelRefusedError, match=r"cannot be loaded or does not predict: [\s\S]*UnpicklingError"):
        score_in_isolation((tmp_path / "model").as_uri(), ROWS)


def test_a_model_that_does_not_answer_each_row_is_refused(altered: Callable[..., str]) -> None:
    call = "pd.DataFrame(self.fitted.answers(_frame(model_input), **given), copy=False)"
    uri = altered("inference/pyfunc.py", f"return {call}", f"return {call}.head(3)")
    with pytest.raises(ModelRefusedError, match="3 predictions for 40 rows"):
        score_in_isolation(uri, ROWS)


def test_rows_that_lack_a_column_are_named() -> None:
    schema = SchemaSigner().sign(ROWS, ROWS).inputs
    with pytest.raises(RuntimeError, match="the rows lack columns that the model takes: n, t"):
        score_model._as_signed(ROWS.select("k").to_pandas(), schema)


def test_a_model_without_a_signature_is_not_asked() -> None:
    with pytest.raises(RuntimeError, match="the model has no signature"):
        score_model._as_signed(ROWS.to_pandas(), None)


def test_a_model_that_is_not_there_can_be_asked_for_again(logged: Logged) -> None:
    with pytest.raises(TrainerError, match=r"models:/churn-predictor/7 cannot be fetched: MlflowException") as raised:
        score_in_isolation("models:/churn-predictor/7", ROWS)
    assert not isinstance(raised.value, ModelRefusedError)
    assert raised.value.retry_can_help


@both_ways
def test_a_model_sees_no_credentials(logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(logged.folder, tmp_path / "model")
    serving = tmp_path / "model" / "entry_point.py"
    tell = "import os\nraise RuntimeError(sorted(os.environ))\n"
    serving.write_text(tell + serving.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    monkeypatch.setenv("TRAINER_STUDY_STORAGE", "postgresql://user:planted@host/studies")
    monkeypatch.setenv("GIT_PASSWORD", "planted")
    with pytest.raises(ModelRefusedError) as raised:
        score_in_isolation((tmp_path / "model").as_uri(), ROWS)
    assert "'PYTHONPATH'" in str(raised.value)
    assert not [name for name in ("AWS", "TRAINER", "GIT", "MLFLOW_TRACKING") if name in str(raised.value)]


def test_a_model_is_scored_without_a_server_that_was_killed(
    logged: Logged, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = ForkServer.launch([], python_environment())
    assert server._process is not None
    server._process.kill()
    server.wait(60)
    monkeypatch.setattr(scoring, "_server", lambda: server)
    assert score_in_isolation(logged.uri, ROWS).output.height == ROWS.height
    assert "the fork server has ended: the model is scored by an interpreter of its own" in caplog.text
    server.close()
