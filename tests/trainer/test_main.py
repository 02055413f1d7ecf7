"""The command line: help, exit codes and what a person reads."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from trainer import __version__
from trainer.__main__ import COMMANDS, EPILOG, main, parser
from trainer.environment import Environment, variable_name
from trainer.errors import FINAL_EXIT_CODES
from trainer.pipeline import Pipeline, parse_pipeline, pipeline_of
from trainer.run import RunFolder
from trainer.run.flow import STEPS
from trainer.run.latest import mark_latest
from trainer.run.records import Compared, EvaluateResult, IngestResult, StartResult

PIPELINE = """
name: churn
description: who leaves
problem: binary_classification
source: {KIND: csv, uri: churn.csv}
columns: {target: churn, positive: "Yes"}
algorithms: {xgboost: {KIND: xgboost}}
tuning: {metric: auc_roc}
gates: {auc_roc: 0.8, against_production: {metric: auc_roc}}
registry: {model: churn-predictor, experiment: churn}
"""
NAMES = (
    "step",
    "checkout",
    "train",
    "score",
    "monitor",
    "serve",
    "deploy",
    "deployment",
    "experiment",
    "run",
    "init",
    "check",
    "schema",
    "data",
    "load-table",
    "summary",
    "report",
    "validate-model",
    "resolve",
    "rollback",
    "history",
    "backtest",
    "prune",
    "describe",
)


ABORTING = """
import os, time
from sklearn.linear_model import LogisticRegression

class Aborting(LogisticRegression):
    def __init__(self):
        os.abort()
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.open(str(tmp_path / ".runs/churn/key-1"))


@pytest.fixture
def pipeline() -> Pipeline:
    return parse_pipeline(PIPELINE, "churn.yaml")


def trainer(*arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`trainer ARGUMENTS` in a process of its own; the MLflow store that it is told of does not exist."""
    known = {variable_name(field) for field in Environment.model_fields}
    inherited = {key: value for key, value in os.environ.items() if key not in known}
    environment = {**inherited, "MLFLOW_TRACKING_URI": "sqlite:////nowhere/mlflow.db", **variables}
    command = [sys.executable, "-m", "trainer", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def started(run: RunFolder, pipeline: Pipeline) -> None:
    """What the step `start` leaves behind."""
    run.write_text("pipeline.yaml", pipeline.to_yaml())
    start = StartResult(
        started_at="2026-01-04T02:00:00+00:00", run_id="r", experiment_id="1", airflow_run_id="", git_commit="", image="",
        source="s", sample=False,
    )  # fmt: skip
    run.at("start").finish(start)


def evaluated(run: RunFolder, auc: float) -> None:
    compared = Compared(
        metric="auc_roc", challenger=auc, production=auc, gain=0, lower=-0.01, upper=0.01, rows=900, rows_left_out=0
    )
    evaluation = EvaluateResult(
        winner="xgboost", candidates=[], model_uri="m", model_id="m", run_id="r", test_rows=900, metrics={"auc_roc": auc},
        production_version="7", comparison=compared,
    )  # fmt: skip
    run.at("evaluate").finish(evaluation)


def test_the_commands() -> None:
    [choices] = [action.choices for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    assert tuple(choices) == NAMES
    assert len(COMMANDS) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: trainer {name}")
    assert len(lines[lines.index("") + 1]) > 30  # what it does, in a sentence
    for option in [line for line in lines if line.startswith("  --")]:
        following = lines[lines.index(option) + 1 :]
        assert "  " in option.strip() or (following and following[0].startswith(" " * 10)), f"{option} has no help"


def test_the_help_lists_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    found = capsys.readouterr().out
    assert [name for name in NAMES if not re.search(rf"\n    {name}\s", found)] == []
    assert all(f"\n  {code}  " in EPILOG for code in (0, 1, *FINAL_EXIT_CODES))
    assert EPILOG.strip() in found


def test_the_steps_are_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["step", "--help"])
    assert ", ".join(STEPS) in " ".join(capsys.readouterr().out.split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"trainer {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], "required: COMMAND", id="no-command"),
        pytest.param(["trian"], "invalid choice: 'trian'", id="unknown-command"),
        pytest.param(["step", "ingst", "--run", "r"], "invalid choice: 'ingst'", id="unknown-step"),
        pytest.param(["step", "ingest"], "required: --run", id="no-run"),
        pytest.param(["train"], "required: --config", id="no-config"),
        pytest.param(["check"], "required: FILE", id="no-file"),
        pytest.param(["summary", "--wall-seconds", "long"], "invalid float value: 'long'", id="no-number"),
    ],
)
def test_wrong_usage_is_a_wrong_configuration(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err


def test_a_step_before_start_exits_with_2(run: RunFolder, tmp_path: Path) -> None:
    done = trainer("step", "ingest", "--run", run.uri, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith(f"ERROR trainer: StepNotDoneError: {run.uri}/pipeline.yaml does not exist: the step")
    assert done.stderr == ""


def test_a_step_without_its_environment_exits_with_2(run: RunFolder, tmp_path: Path) -> None:
    done = trainer("step", "ingest", "--run", run.uri, cwd=tmp_path, MLFLOW_TRACKING_URI="")
    assert done.returncode == 2
    assert "ConfigurationError" not in done.stdout
    assert "MLFLOW_TRACKING_URI: field required; `source .airflow/env` sets them all" in done.stderr


def test_refused_data_exits_with_3(run: RunFolder, pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "churn.csv").write_text("id,churn\n")
    source = {"KIND": "csv", "uri": str(tmp_path / "churn.csv")}
    started(run, pipeline_of({**pipeline.model_dump(), "source": source}))
    done = trainer("step", "ingest", "--run", run.uri, cwd=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "DataValidationError" in done.stdout
    assert "the table has a header and no rows" in done.stdout
    failure = run.at("ingest").failure()
    assert failure is not None
    assert failure.exit_code == 3
    assert run.at("ingest").result_or_none(IngestResult) is None


@pytest.mark.parametrize(("auc", "code"), [(0.5, 4), (0.9, 0)], ids=["refused", "kept"])
def test_a_refused_model_exits_with_4(
    run: RunFolder, pipeline: Pipeline, tmp_path: Path, auc: float, code: int
) -> None:
    started(run, pipeline)
    evaluated(run, auc)
    done = trainer("step", "decide", "--run", run.uri, cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    if code:
        assert "ERROR trainer: ModelRefusedError: churn-predictor: the challenger (xgboost) is refused" in done.stdout
    else:
        assert "INFO trainer.run.execute: decide done in" in done.stdout


def test_a_step_logs_json_if_asked(run: RunFolder, pipeline: Pipeline, tmp_path: Path) -> None:
    started(run, pipeline)
    evaluated(run, 0.5)
    done = trainer("step", "decide", "--run", run.uri, cwd=tmp_path, TRAINER_LOG_FORMAT="json")
    records: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (records[-1]["level"], records[-1]["logger"]) == ("ERROR", "trainer")
    own = {"pipeline": "churn", "run_key": run.key, "step": "decide", "error": "ModelRefusedError", "exit_code": 4}
    assert records[-1].items() >= own.items()


def test_an_unexpected_error_exits_with_1_and_its_trace(run: RunFolder, pipeline: Pipeline, tmp_path: Path) -> None:
    started(run, pipeline)
    run.at("evaluate").write_text("result.json", '{"winner": "xgb')
    done = trainer("step", "decide", "--run", run.uri, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--parameters", "{trials: 3}"], "run parameters: '{trials: 3}' is no JSON: ", id="no-json"),
        pytest.param(["--parameters", "[3]"], "run parameters: a JSON object is needed, not '[3]'", id="no-object"),
        pytest.param(["--parameters", '{"trails": 3}'], "trails: unknown key; did you mean 'trials'?", id="unknown"),
        pytest.param(["--pipeline", "absent.yaml"], "absent.yaml: cannot be read", id="no-file"),
    ],
)
def test_wrong_parameters_of_a_start_exit_with_2(
    run: RunFolder, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    done = trainer("step", "start", "--run", run.uri, *arguments, cwd=tmp_path, TRAINER_PIPELINE=PIPELINE)
    assert done.returncode == 2
    assert expected in done.stdout
    failure = run.at("start").failure()
    assert failure is not None
    assert expected in failure.message
    assert not run.at("").filesystem.exists(run.path("pipeline.yaml"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["start"], "name the pipeline's file with --pipeline, or set TRAINER_PIPELINE", id="no-pipeline"),
        pytest.param(["tune"], "step tune: --algorithm must be one of ['xgboost'], not ''", id="no-algorithm"),
        pytest.param(
            ["tune_worker", "--algorithm", "xgboost", "--worker", "2"],
            "step tune_worker: --worker must be a number from 1 to 1 (`tuning.workers`), not 2",
            id="no-such-worker",
        ),
        pytest.param(["train", "--algorithm", "svm"], "must be one of ['xgboost'], not 'svm'", id="other-algorithm"),
        pytest.param(["decide", "--algorithm", "xgboost"], "must be one of [''], not 'xgboost'", id="too-many"),
    ],
)
def test_wrong_arguments_of_a_step_exit_with_2(
    run: RunFolder, pipeline: Pipeline, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    started(run, pipeline)
    done = trainer("step", *arguments, "--run", run.uri, cwd=tmp_path)
    assert done.returncode == 2
    assert expected in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["train", "--config", "absent.yaml"], id="train"),
        pytest.param(["run", "absent.yaml"], id="run"),
    ],
)
def test_a_file_that_is_not_there_exits_with_2(tmp_path: Path, arguments: list[str]) -> None:
    done = trainer(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "ConfigurationError: absent.yaml: cannot be read: " in done.stdout


def test_check_tells_every_mistake_of_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {
        "sorce.yaml": PIPELINE.replace("source:", "sorce:"),
        "no.yaml": "a: [",
        "twice.yaml": PIPELINE + "name: b\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert main(["check", *(str(tmp_path / name) for name in texts), str(tmp_path / "absent.yaml")]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert f"{tmp_path}/sorce.yaml: source: is required\n" in found.err
    assert f"{tmp_path}/sorce.yaml: sorce: unknown key; did you mean 'source'?" in found.err
    assert f"{tmp_path}/no.yaml: this is no YAML: " in found.err
    assert f"{tmp_path}/twice.yaml: this is no YAML: the key 'name' stands here twice" in found.err
    assert f"{tmp_path}/absent.yaml: cannot be read: " in found.err


def test_check_looks_into_expressions_expectations_and_estimators(tmp_path: Path, project: Path) -> None:
    check = "validation: [{check: expect_column_values_to_be_betwen, dimension: validity, kwargs: {column: a}}]\n"
    estimator = "{KIND: sklearn, estimator: sklearn.linear_model.LogisticRegresion}"
    texts = {
        "same-name.yaml": PIPELINE,
        "expectation.yaml": PIPELINE + check,
        "expression.yaml": PIPELINE + "features: {derive: {x: 'sum(a)'}}\n",
        "estimator.yaml": PIPELINE.replace("{KIND: xgboost}", estimator),
        "schedule.yaml": PIPELINE + "schedule: '0 24 * * *'\n",
        "taken.yaml": PIPELINE.replace("{xgboost: ", "{evaluate: "),
        "never.yaml": PIPELINE + "schedule: '0 0 30 2 *'\n",
        "behaviour.yaml": PIPELINE + "behaviour: [{name: b, set: {a: 'max(a)'}, expect: unchanged}]\n",
        "aborting.yaml": PIPELINE.replace("{KIND: xgboost}", "{KIND: sklearn, estimator: aborting.Aborting}"),
        "where.yaml": PIPELINE.replace("source: {", "source: {where: 'a >', "),
    }
    (tmp_path / "aborting.py").write_text(ABORTING)
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    churn = project / "include/pipelines/churn.yaml"
    done = trainer("check", churn, *texts, cwd=tmp_path)
    lines = [line for line in done.stderr.splitlines() if line.startswith(tuple(texts))]
    assert done.returncode == 2
    assert done.stdout == f"{churn}: churn: correct\n"
    assert lines[0] == f"same-name.yaml: name: 'churn' is the name of {churn} too; give each its own"
    assert lines[1].startswith("expectation.yaml: ")
    assert "did you mean 'expect_column_values_to_be_between'?" in lines[1]
    assert lines[2].startswith("expression.yaml: ")
    assert lines[3].startswith("estimator.yaml: algorithms.xgboost: ")
    assert lines[4].startswith("schedule.yaml: schedule: '0 24 * * *' is not a cron expression: ")
    assert lines[5] == "taken.yaml: algorithms.evaluate: 'evaluate' is the name of a step; give it another"
    assert lines[6].startswith("never.yaml: schedule: '0 0 30 2 *' is not a cron expression: ")
    assert lines[7].startswith("behaviour.yaml: behaviour (b).set.a: ")
    assert lines[8] == "aborting.yaml: its check was ended by SIGABRT; look at `algorithms` and their `params`"
    assert lines[9].startswith("where.yaml: source.where: 'a >' is no SQL expression")
    assert len(lines) == 10


def test_a_check_that_never_ends_is_ended(tmp_path: Path) -> None:
    (tmp_path / "aborting.py").write_text(ABORTING.replace("os.abort()", "time.sleep(600)"))
    text = PIPELINE.replace("{KIND: xgboost}", "{KIND: sklearn, estimator: aborting.Aborting}")
    (tmp_path / "hanging.yaml").write_text(text)
    program = "from trainer.commands import check; check.SECONDS_FOR_ONE = 1; from trainer.__main__ import main; "
    command = [sys.executable, "-c", f"{program}raise SystemExit(main(['check', 'hanging.yaml']))"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "hanging.yaml: its check took longer than 1 s and was ended" in done.stderr


def test_check_leaves_to_start_what_only_a_clone_can_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "code: {repository: 'https://git.example/m.git', ref: v1}\n"
    estimator = "{KIND: sklearn, estimator: cloned_models.Churner}"
    file = tmp_path / "churn.yaml"
    file.write_text(PIPELINE.replace("{KIND: xgboost}", estimator) + code)
    assert main(["check", str(file)]) == 0
    expected = f"{file}: churn: correct, but for algorithms.xgboost: the step `start` tries what comes from `code`\n"
    assert capsys.readouterr().out == expected
    file.write_text(file.read_text().replace("cloned_models.Churner", "sklearn.linear_model.Rigde"))
    assert main(["check", str(file)]) == 2
    assert "estimator 'sklearn.linear_model.Rigde' cannot be imported" in capsys.readouterr().err


@pytest.fixture
def schema(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["schema"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_schema_takes_the_pipelines_that_ship(schema: dict[str, Any], project: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    files = sorted((project / "include/pipelines").glob("*.yaml"))
    assert files
    for file in files:
        jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"sorce": 1}, "'sorce' was unexpected", id="unknown-key"),
        pytest.param({"problem": "clustering"}, "'clustering' is not one of", id="choice"),
        pytest.param({"source": {"KIND": "csv"}}, "is not valid under any of the given schemas", id="kind"),
        pytest.param({"name": "Churn-2"}, "does not match", id="pattern"),
    ],
)
def test_the_schema_refuses_what_the_package_refuses(
    schema: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(jsonschema.ValidationError, match=expected):
        jsonschema.Draft202012Validator(schema).validate({**yaml.safe_load(PIPELINE), **changes})


def test_the_schema_describes_keys_for_an_editor(schema: dict[str, Any]) -> None:
    assert "Optuna trials per algorithm" in schema["$defs"]["RunParameters"]["properties"]["trials"]["description"]


@pytest.mark.parametrize("given", [True, False], ids=["named", "default"])
def test_summary_follows_the_link_to_the_newest_run(
    run: RunFolder,
    pipeline: Pipeline,
    tmp_path: Path,
    given: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    started(run, pipeline)
    mark_latest(run)
    monkeypatch.chdir(tmp_path)
    arguments = ["--run", str(tmp_path / ".runs/latest/")] if given else []
    assert main(["summary", *arguments, "--wall-seconds", "12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Pipeline churn: no data was read."
    assert lines[1].startswith("UNFINISHED: ")
    assert lines[-1] == f"Run folder: {run.uri}"
    found = json.loads(run.read_text("summary.json"))
    assert (found["run"], found["wall_seconds"]) == (run.uri, 12.0)


def test_summary_of_a_run_in_an_object_store(
    s3_bucket: str, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder.open(f"s3://{s3_bucket}/churn/key-1")
    started(run, pipeline)
    assert main(["summary", "--run", run.uri]) == 0
    assert f"Run folder: {run.uri}\n" in capsys.readouterr().out
    assert json.loads(run.read_text("summary.json"))["outcome"] == "unfinished"


def test_summary_of_a_folder_that_is_not_there_exits_with_2(tmp_path: Path) -> None:
    done = trainer("summary", "--run", "runs/churn/kye-1", cwd=tmp_path)
    assert done.returncode == 2
    assert f"there is no run folder {tmp_path}/runs/churn/kye-1; name one with --run" in done.stderr
    assert [*tmp_path.iterdir()] == []


def test_data_refuses_a_set_that_it_does_not_know(tmp_path: Path) -> None:
    done = trainer("data", "--to", tmp_path / "data", "titanic", cwd=tmp_path)
    assert done.returncode == 2
    assert "titanic" in done.stderr
