"""Faults of the configuration: `trainer check` finds them, no other DAG falls with them, and a run ends at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException

from include.environment import settings
from include.environment.settings import load_settings
from tests.faults.harness import World, assert_refused, nothing_moves
from trainer.__main__ import main

Edit = Callable[[str], str]


def having(**sections: Any) -> Edit:
    """Other sections; a mapping is laid over what the section says."""

    def edit(text: str) -> str:
        document = yaml.safe_load(text)
        for name, value in sections.items():
            document[name] = {**document[name], **value} if isinstance(value, dict) else value
        return yaml.safe_dump(document, sort_keys=False)

    return edit


def algorithm(kind: str, **parts: Any) -> Edit:
    return lambda text: having()(
        yaml.safe_dump({**yaml.safe_load(text), "algorithms": {"logistic": {"KIND": kind, **parts}}})
    )


def check(name: str, **kwargs: Any) -> Edit:
    return having(validation=[{"check": name, "dimension": "validity", "kwargs": kwargs}])


FOREST = "sklearn.ensemble.RandomForestClassifier"
IN_THE_FILE: dict[str, tuple[Edit, str]] = {
    "unknown_key": (lambda text: text.replace("drift:", "drfit:"), r"drfit: unknown key; did you mean 'drift'\?"),
    "unknown_kind": (algorithm("xgbost"), r"algorithms.logistic.KIND: there is no kind 'xgbost'; did you mean 'xgboost'"),
    "limit_no_number": (having(gates={"auc_roc": "high"}), r"gates.auc_roc: .*number.*, not 'high'"),
    "limit_not_finite": (having(gates={"auc_roc": float("nan")}), r"gates.auc_roc: .*finite number, not nan"),
    "metric_misfits": (having(tuning={"metric": "rmse"}),
                       r"tuning.metric: 'rmse' is no metric of a binary_classification pipeline.* allowed: accuracy, "),
    "trials_zero": (having(tuning={"trials": 0}), r"tuning.trials: .*greater than or equal to 1, not 0"),
    "share_above_one": (having(split={"test": 1.5}), r"split.test: .*less than 1, not 1.5"),
    "no_yaml": (lambda _: "name: [churn\n", r"this is no YAML: (.|\n)*line 2, column 1"),
    "tabs": (lambda text: text.replace("\nsource:\n  ", "\nsource:\n\t"),
             r"this is no YAML: (.|\n)*line \d+(.|\n)*indent with spaces, not with tabs"),
    "empty": (lambda _: "", r"a mapping of keys is needed, the file is empty"),
    "target_excluded": (having(columns={"exclude": ["churn"]}), r"columns.exclude: 'churn' is the target"),
    "target_is_id": (having(columns={"id": "churn"}), r"columns.id: 'churn' is the target; a column has one role"),
    "published_name": (having(columns={"target": "Churn"}), r"columns: 'Churn' is called 'churn' by source.rename"),
    "names_clash": (having(source={"rename": {"Churn": "churn", "gender": "churn"}}),
                    r"rename: 'Churn', 'gender' would all be called 'churn'; give each its own name"),
    "checksum": (having(source={"sha256": "abc"}), r"source.sha256: .*, not 'abc'"),
}  # fmt: skip
"""What the file alone shows: its DAG is broken."""

IN_THE_LIBRARIES: dict[str, tuple[Edit, str, str]] = {
    "bad_sql": (having(features={"derive": {"x": "tenure +* 2"}}), "start",
                r"features.derive.x: 'tenure \+\* 2' is no SQL expression"),
    "aggregate": (having(features={"derive": {"x": "tenure - avg(tenure)"}}), "start", r"features.derive.x: .*features.fit"),
    "behaviour": (having(behaviour=[{"name": "longer", "set": {"tenure": "tenure +* 2"}, "expect": "does_not_rise"}]),
                  "start", r"behaviour \(longer\).*'tenure \+\* 2' is no SQL expression"),
    "behaviour_of_target": (
        having(behaviour=[{"name": "longer", "set": {"tenure": "tenure + 2"}, "where": "churn = 'No'",
                           "expect": "does_not_rise"}]),
        "start", r"behaviour \(longer\).*'churn' cannot be used: it is the target"),
    "max_depth": (algorithm("xgboost", params={"max_depth": -3}), "start",
                  r"algorithms.logistic.params.max_depth: value -3 for Parameter max_depth"),
    "learning_rate": (algorithm("lightgbm", params={"learning_rate": "fast"}), "start",
                      r"algorithms.logistic.params.learning_rate: .*fast"),
    "search": (algorithm("sklearn", estimator=FOREST, search={"max_depth": {"low": 0, "high": 9}}), "start",
               r"algorithms.logistic.search.max_depth \(0\): The 'max_depth' parameter of RandomForestClassifier must"),
    "unknown_parameter": (algorithm("xgboost", params={"max_dept": 3}), "start",
                          r"algorithms.logistic.params.max_dept: .*did you mean 'max_depth'\?"),
    "no_such_estimator": (algorithm("sklearn", estimator="sklearn.ensemble.Forest"), "start",
                          r"algorithms.logistic: estimator 'sklearn.ensemble.Forest' cannot be imported"),
    "expectation": (check("expect_column_values_to_be_betwen", column="tenure"), "validate",
                    r"check 1 .*there is no such expectation; did you mean 'expect_column_values_to_be_between'\?"),
    "kwargs": (check("expect_column_values_to_be_between", column="tenure", max_valu=3), "validate",
               r"check 1 .*kwargs: unknown 'max_valu'; did you mean 'max_value'\?"),
}  # fmt: skip
"""What only the libraries know: the run ends at `start`, or at `validate`."""

IN_THE_PARAMETERS = {
    "algorithm": ('{"algorithms": ["xgboost"]}', r"run.algorithms: no algorithm 'xgboost'; allowed: logistic"),
    "trials": ('{"trials": 0}', r"run parameters: trials: .*greater than or equal to 1, not 0"),
    "share": ('{"sample_ratio": 2}', r"run parameters: sample_ratio: .*less than or equal to 1, not 2"),
    "key": ('{"trails": 3}', r"run parameters: trails: unknown key; did you mean 'trials'\?"),
    "promote": ('{"promote_to": "prod"}', r"run parameters: promote_to: 'prod' is not allowed.*production"),
}


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, churn_text: str) -> Path:
    """A folder with the pipeline, and one file for each mistake that the file alone shows."""
    folder = tmp_path_factory.mktemp("pipelines")
    written(folder, "churn", churn_text)
    for name, (edit, _) in IN_THE_FILE.items():
        written(folder, name, edit(churn_text))
    written(folder, "second_churn", churn_text)
    (folder / "latin.yaml").write_bytes(churn_text.replace("telephone", "téléphone").encode("latin-1"))
    return folder


@pytest.fixture(scope="module")
def dags(folder: Path, project: Path, airflow_home: Path) -> Iterator[dict[str, Any]]:
    """What Airflow makes of the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPELINES_FOLDER", str(folder))
        load_settings.cache_clear()
        bag = DagBag(project / "dags")
        assert bag.import_errors == {}
        yield dict(bag.dags)
    load_settings.cache_clear()


def said_by_check(capsys: pytest.CaptureFixture[str], *files: Path) -> str:
    assert main(["check", *map(str, files)]) == 2
    return capsys.readouterr().err


FILES = {name: message for name, (_, message) in IN_THE_FILE.items()}
LATIN = r"latin.yaml: cannot be read: line 3 is no UTF-8 \(b'.*\\xe9.*'\); save the file as UTF-8"


@pytest.mark.parametrize(("name", "message"), [*FILES.items(), ("latin", LATIN)])
def test_a_wrong_file_becomes_a_dag_that_says_what_check_says(
    name: str, message: str, folder: Path, dags: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    said = said_by_check(capsys, folder / f"{name}.yaml")
    assert re.search(message, said), said
    (task,) = dags[f"{name}_broken"].tasks
    with pytest.raises(AirflowFailException) as failed:
        task.python_callable()
    assert str(failed.value) + "\n" == said
    assert (task.task_id, task.retries) == ("mend_the_file", 0)


def test_two_pipelines_with_one_name(folder: Path, dags: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", str(folder / "churn.yaml"), str(folder / "second_churn.yaml")])
    said = f"{folder}/second_churn.yaml: name: 'churn' is the name of {folder}/churn.yaml too; give each its own\n"
    assert capsys.readouterr().err == said
    (task,) = dags["second_churn_broken"].tasks
    with pytest.raises(AirflowFailException, match=re.escape(said.strip())):
        task.python_callable()


def test_no_other_dag_falls_with_them(dags: dict[str, Any]) -> None:
    broken = {f"{name}_broken" for name in (*IN_THE_FILE, "latin", "second_churn")}
    assert set(dags) == {"churn_training", "churn_requests", *broken}
    assert len(dags["churn_training"].tasks) > 10


@pytest.mark.parametrize("name", IN_THE_FILE)
def test_a_wrong_file_run_by_hand_ends_at_start(name: str, world: World) -> None:
    edit, message = IN_THE_FILE[name]
    with nothing_moves(world):
        wrong = World(world.home, world.mailbox, edit(world.text))
        ended = wrong.run()
        if wrong.text:
            assert_refused(world, ended, "start", "ConfigurationError", 2, message)
        else:  # an empty variable is none
            assert_refused(world, ended, "start", "ConfigurationError", 2, "name the pipeline's file with --pipeline")


@pytest.mark.parametrize("name", IN_THE_LIBRARIES)
def test_what_the_libraries_know_is_found_by_check_and_before_anything_is_trained(
    name: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit, step, message = IN_THE_LIBRARIES[name]
    wrong = World(world.home, world.mailbox, edit(world.text))
    said = said_by_check(capsys, written(tmp_path, name, wrong.text))
    assert re.search(message, said), said
    with nothing_moves(world):
        assert_refused(wrong, wrong.run(), step, "ConfigurationError", 2, message)


@pytest.mark.parametrize("name", IN_THE_PARAMETERS)
def test_wrong_run_parameters_end_the_run_at_start(name: str, world: World) -> None:
    parameters, message = IN_THE_PARAMETERS[name]
    with nothing_moves(world):
        assert_refused(world, world.run(parameters=parameters), "start", "ConfigurationError", 2, message)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"positive": "Ja"}, r"columns.positive: 'Ja' is none of the values of 'churn'; allowed: No, Yes"),
        ({"positive": True}, r"columns.positive: 'true' is none of .*YAML reads Yes and No without quotes as true"),
        ({"id": "customer"}, r"columns.id: there is no column 'customer'; did you mean 'customer_id'\?"),
        ({"exclude": ["gendre"]}, r"columns.exclude: there is no column 'gendre'; did you mean 'gender'\?"),
    ],
    ids=["positive", "unquoted-yes", "id", "exclude"],
)
def test_what_does_not_fit_the_data_is_found_by_validate(columns: dict[str, Any], message: str, world: World) -> None:
    with nothing_moves(world):
        assert_refused(world, world.having(columns=columns).run(), "validate", "DataValidationError", 3, message)


def test_an_unknown_environment(world: World, monkeypatch: Any, project: Path, capsys: Any) -> None:
    monkeypatch.setenv("PIPELINES_ENVIRONMENT", "prodution")
    load_settings.cache_clear()
    message = r"PIPELINES_ENVIRONMENT: no environment 'prodution'; did you mean 'production'\?"
    assert settings.main() == 2
    assert re.match(message, capsys.readouterr().err)
    monkeypatch.setenv("PIPELINES_FOLDER", str(project / "include" / "pipelines"))
    dags = DagBag(project / "dags").dags
    assert {name for name in dags if not name.endswith("_broken")} == set()
    assert all(re.search(message, str(dag.doc_md)) for dag in dags.values())
    assert "churn_broken" in dags
