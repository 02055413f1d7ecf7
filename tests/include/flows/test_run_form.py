"""The form that a person fills in to start a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest
from airflow.sdk import Param
from airflow.sdk.exceptions import ParamValidationError

from include.flows.run_form import PARAMETERS, chooses, gpus_or, run_form
from tests.conftest import changed
from trainer.pipeline import Pipeline, RunParameters, load_pipeline


@pytest.fixture
def form(churn: Pipeline) -> dict[str, Param]:
    return run_form(churn)


def filled_in(form: dict[str, Param]) -> dict[str, Any]:
    return {name: param.resolve() for name, param in form.items()}


OF_NETWORKS = ["epochs", "lr", "gpu"]
OF_APPROVAL = ["answer"]
FIELDS = {*RunParameters.model_fields} - {"triggered_by"}
"""Monitoring alone says what has triggered a run."""


@pytest.fixture
def mnist_form(project: Path) -> dict[str, Param]:
    """The form of a pipeline with every field: it trains networks, and a person has to approve its promotions."""
    return run_form(changed(load_pipeline(project / "include" / "pipelines" / "mnist.yaml"), approval="always"))


def test_there_is_one_field_per_run_parameter(form: dict[str, Param], mnist_form: dict[str, Param]) -> None:
    assert set(mnist_form) == FIELDS
    only_elsewhere = [*OF_NETWORKS, *OF_APPROVAL]
    assert list(form) == [name for name in mnist_form if name not in only_elsewhere], "a table has no epochs"
    assert "learns at once" in mnist_form["batch_size"].schema["description_md"]


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_explains_itself(name: str, mnist_form: dict[str, Param]) -> None:
    for said in ("title", "description_md", "section"):
        assert mnist_form[name].schema[said].strip()


def test_the_form_is_filled_in_with_the_pipelines_own_values(form: dict[str, Param], churn: Pipeline) -> None:
    assert filled_in(form) == {
        "algorithms": list(churn.algorithms),
        "tuning": True,
        "trials": churn.tuning.trials,
        "sample_ratio": 1.0,
        "batch_size": None,
        "promote_to": "production",
        "note": "",
    }


def test_defaults_that_the_pipelines_file_sets_for_its_runs_are_shown(churn: Pipeline) -> None:
    parameters = {"algorithms": ["lightgbm"], "tuning": False, "trials": 3, "sample_ratio": 0.5, "batch_size": 100,
                  "promote_to": "none", "note": "by default"}  # fmt: skip
    form = run_form(churn.for_run(parameters))
    assert filled_in(form) == parameters


def test_the_form_as_it_stands_changes_nothing_about_the_pipeline(form: dict[str, Param], churn: Pipeline) -> None:
    as_run = churn.for_run(filled_in(form))
    assert as_run.model_copy(update={"run": churn.run}) == churn
    assert as_run.selected_algorithms == churn.selected_algorithms


@pytest.mark.parametrize(("most", "value"), [(64, 65), (64, -1), (64, 1.5), (0, 1)])
def test_gpus_that_an_environment_does_not_have_are_refused(most: int, value: float, project: Path) -> None:
    form = run_form(load_pipeline(project / "include" / "pipelines" / "mnist.yaml"), most)
    with pytest.raises(ParamValidationError):
        form["gpu"].resolve(value)
    assert [form["gpu"].resolve(right) for right in (None, 0, most)] == [None, 0, most]


@pytest.mark.parametrize(("value", "gpus"), [(None, "2"), (0, "0"), (4, "4")])
def test_the_forms_gpus_stand_in_for_the_pipelines(value: int | None, gpus: str) -> None:
    assert jinja2.Template(gpus_or(2)).render(params={"gpu": value}) == gpus


WRONG = [
    ("trials", 0),
    ("trials", 2.5),
    ("trials", None),
    ("trials", 10_001),
    ("algorithms", ["xgbost"]),
    ("algorithms", []),
    ("algorithms", ["xgboost", "xgboost"]),
    ("algorithms", "xgboost"),
    ("sample_ratio", 0),
    ("sample_ratio", 1.5),
    ("sample_ratio", "half"),
    ("batch_size", 0),
    ("promote_to", "prod"),
    ("tuning", "yes"),
    ("note", "x" * 1001),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name}={str(value)[:12]}" for name, value in WRONG])
def test_the_form_refuses_what_is_wrong(name: str, value: object, form: dict[str, Param]) -> None:
    with pytest.raises(ParamValidationError):
        form[name].resolve(value)


RIGHT = [
    ("trials", 1),
    ("trials", 10_000),
    ("algorithms", ["lightgbm"]),
    ("sample_ratio", 0.001),
    ("sample_ratio", 1),
    ("batch_size", None),
    ("batch_size", 1),
    ("promote_to", "staging"),
    ("note", None),
    ("note", "x" * 1000),
]


@pytest.mark.parametrize(("name", "value"), RIGHT, ids=[f"{name}={str(value)[:12]}" for name, value in RIGHT])
def test_what_the_form_takes_the_pipeline_takes(
    name: str, value: object, form: dict[str, Param], churn: Pipeline
) -> None:
    assert form[name].resolve(value) == value
    run = churn.for_run({**filled_in(form), name: value}).run
    assert getattr(run, name) == (value if value is not None else getattr(churn.run, name))


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [(["xgboost"], "True"), (["xgboost_deep"], "False"), (["lightgbm", "xgboost"], "True"), ([], "False")],
    ids=["alone", "a longer name", "among others", "none"],
)
def test_an_algorithm_runs_where_the_form_names_it(chosen: list[str], expected: str) -> None:
    assert jinja2.Template(chooses("xgboost")).render(params={"algorithms": chosen}) == expected


def test_the_filled_in_form_reaches_the_first_step_as_json(form: dict[str, Param]) -> None:
    given = {**filled_in(form), "note": 'a "quoted" <note> with {{ braces }} and ümlauts'}
    assert json.loads(jinja2.Template(PARAMETERS).render(params=given)) == given
