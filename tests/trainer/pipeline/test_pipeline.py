"""A whole pipeline: rules across its parts, the parameters of a run, and its YAML."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.world import PROJECT
from trainer.errors import ConfigurationError
from trainer.pipeline import Pipeline, load_pipeline, parse_pipeline, pipeline_of, refuse_same_name

CHURN = """
name: churn
description: who leaves
problem: binary_classification
source: {KIND: csv, uri: churn.csv, missing: [" "], types: {tenure: integer}}
columns: {id: customer, target: churn, positive: "Yes"}
algorithms:
  boosted: {KIND: xgboost, params: {n_estimators: 10}, search: {learning_rate: {low: 0.01, high: 0.3, log: true}}}
  leaves: {KIND: lightgbm, search: {num_leaves: {low: 2, high: 64}}}
  linear: {KIND: sklearn, estimator: sklearn.linear_model.LogisticRegression, search: {penalty: {choices: [l2, null]}}}
tuning: {metric: auc_roc, trials: 20}
gates: {weighted: {accuracy: 0.7}, against_production: {metric: auc_roc}}
registry: {model: churn-predictor, experiment: churn}
"""


@pytest.fixture
def pipeline() -> Pipeline:
    return parse_pipeline(CHURN, "churn.yaml")


def mistakes(**sections: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        pipeline_of({**yaml.safe_load(CHURN), **sections}, "churn.yaml")
    return str(caught.value).splitlines()


AGAINST: dict[str, Any] = {"against_production": {"metric": "auc_roc"}}
UNCHANGED = {"name": "tenure", "set": {"tenure": "tenure + 1"}, "expect": "unchanged"}
REGRESSION: dict[str, Any] = {
    "problem": "regression",
    "columns": {"target": "price"},
    "tuning": {"metric": "rmse"},
    "gates": {"rmse": 45_000, "against_production": {"metric": "rmse"}},
}


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        pytest.param(
            {"tuning": {"metric": "auc_rock"}},
            "tuning.metric: 'auc_rock' is no metric of a binary_classification pipeline; did you mean 'auc_roc'?",
            id="tuning",
        ),
        pytest.param(
            {"split": {"KIND": "group", "column": "churn"}},
            "split.column: 'churn' is the target, so each part would hold targets of its own",
            id="group of the target",
        ),
        pytest.param(
            {"cut_off": {"false_positive": 1}},
            "cut_off: expected two costs, such as `{false_positive: 1, false_negative: 5}`, or a precision",
            id="one cost",
        ),
        pytest.param(
            {**REGRESSION, "cut_off": {"precision": 0.8}},
            "cut_off: only a binary classification has a cut-off; remove it",
            id="cut-off of numbers",
        ),
        pytest.param(
            {"preprocess": {"categorical": "native"}},
            "algorithms.linear: preprocess.categorical: 'native' needs an algorithm that handles categories itself",
            id="native",
        ),
        pytest.param(
            {"gates": {"against_production": {"metric": "rmse"}}},
            "gates.against_production.metric: 'rmse' is no metric of a binary_classification pipeline",
            id="comparison",
        ),
        pytest.param(
            {"gates": {"r2": 0.5, "against_production": {"metric": "auc_roc"}}},
            "gates (r2): 'r2' is no metric of a binary_classification pipeline",
            id="gate",
        ),
        pytest.param(
            {**REGRESSION, "tuning": {"metric": "accuracy"}},
            "tuning.metric: 'accuracy' is no metric of a regression pipeline; allowed: mae, mape, mse, r2, rmse",
            id="regression",
        ),
        pytest.param({"columns": {"target": "churn"}}, "columns.positive: a binary classification needs", id="binary"),
        pytest.param(
            {**REGRESSION, "columns": {"target": "price", "positive": 1}},
            "columns.positive: only a binary classification has a positive class",
            id="positive-price",
        ),
        pytest.param(
            {"problem": "multiclass_classification"},
            "columns.positive: only a binary classification has a positive class",
            id="positive-of-many",
        ),
        pytest.param(
            {**REGRESSION, "split": {"KIND": "random", "stratify": True}},
            "split.stratify: only classes can be stratified",
            id="stratified-numbers",
        ),
        pytest.param(
            {"split": {"KIND": "time", "test_hours": 24}},
            "columns.time: a split by time needs the column that says when a row was observed",
            id="time-without-a-time",
        ),
        pytest.param(
            {"split": {"KIND": "hash", "validation": 0.5, "test": 0.5}},
            "split: validation and test together leave no rows to train on",
            id="no-training-rows",
        ),
        pytest.param(
            {"features": {"fit": {"m": "median(a)"}, "derive": {"m": "a + 1"}}},
            "features: 'm' stands under fit and under derive",
            id="feature-twice",
        ),
        pytest.param(
            {"run": {"algorithms": ["boostd"]}},
            "run.algorithms: no algorithm 'boostd'; did you mean 'boosted'? allowed: boosted, leaves, linear",
            id="algorithm",
        ),
        pytest.param(
            {"gates": {**AGAINST, "slices": [{"column": "plan", "limits": {"auc_rock": 0.7}}]}},
            "gates.slices (plan): 'auc_rock' is no metric of a binary_classification pipeline; did you mean 'auc_roc'?",
            id="metric-of-a-slice",
        ),
        pytest.param(
            {"gates": {**AGAINST, "slices": [{"column": "plan"}, {"column": "plan"}]}},
            "gates.slices: 'plan' stands here twice",
            id="slice-twice",
        ),
        pytest.param(
            {"gates": {**AGAINST, "slices": [{"column": "customer"}]}},
            "gates.slices: 'customer' is the id, which makes no segments",
            id="slice-of-ids",
        ),
        pytest.param(
            {"gates": {**AGAINST, "slices": [{"column": "churn"}]}},
            "gates.slices: 'churn' is the target, which makes no segments",
            id="slice-of-targets",
        ),
        pytest.param(
            {"behaviour": [UNCHANGED, UNCHANGED]}, "behaviour: 'tenure' stands here twice", id="behaviour-twice"
        ),
        pytest.param(
            {"behaviour": [{**UNCHANGED, "set": {"churn": "'No'"}}]},
            "behaviour (tenure): the target 'churn' cannot be set",
            id="target-set",
        ),
        pytest.param({"refit": "everything"}, "refit: 'everything' needs a split by time", id="refit-without-time"),
        pytest.param(
            {
                "refit": "everything",
                "split": {"KIND": "time"},
                "columns": {"target": "churn", "positive": "Yes", "time": "seen"},
                "gates": {"against_production": {"metric": "auc_roc", "rule": "not_worse", "margin": 0.01}},
            },
            "gates.against_production.rule: 'not_worse' bounds the loss of the model that is judged, and with",
            id="margin-of-another-fit",
        ),
        pytest.param({"algorithms": {}}, "algorithms: dictionary should have at least 1 item", id="no-algorithm"),
        pytest.param(
            {"algorithms": {"XGB": {"KIND": "xgboost"}}}, "algorithms.XGB: string should match pattern", id="upper-case"
        ),
        pytest.param({"name": "Churn-2"}, "name: string should match pattern", id="name"),
        pytest.param({"name": "a" * 61}, "name: string should have at most 60 characters", id="long-name"),
    ],
)
def test_parts_that_do_not_fit_each_other(sections: dict[str, Any], expected: str) -> None:
    [line] = mistakes(**sections)
    assert line.startswith(f"churn.yaml: {expected}")


@pytest.mark.parametrize("name", ["mnist", "wikitext"])
def test_images_and_texts_are_not_split_by_groups(name: str) -> None:
    document = load_pipeline(PROJECT / "include" / "pipelines" / f"{name}.yaml").model_dump(mode="json")
    split = {"KIND": "group", "column": "author"}
    with pytest.raises(ConfigurationError, match=r"split\.KIND: 'group' is only for tables"):
        pipeline_of({**document, "split": split})


def test_of_several_classes_nothing_can_be_expected_to_rise_or_fall() -> None:
    classes: dict[str, Any] = {"problem": "multiclass_classification", "columns": {"target": "churn"}}
    [line] = mistakes(**classes, behaviour=[{**UNCHANGED, "expect": "does_not_fall"}])
    assert line == (
        "churn.yaml: behaviour (tenure): 'does_not_fall' needs one figure that rises or falls; with several classes "
        "only 'unchanged' can be expected"
    )
    document = {**yaml.safe_load(CHURN), **classes, "behaviour": [UNCHANGED]}
    assert pipeline_of(document, "churn.yaml").behaviour[0].expect == "unchanged"


def test_positive_gates_belong_to_binary_classification() -> None:
    gates = {"positive": {"recall": 0.6}, "against_production": {"metric": "auc_roc"}}
    lines = mistakes(problem="multiclass_classification", columns={"target": "churn"}, gates=gates)
    assert lines[0].startswith("churn.yaml: gates (positive_recall): 'positive_recall' is no metric of a multiclass")
    assert lines[1] == "churn.yaml: gates.positive: only a binary classification has a positive class"


def test_all_mistakes_are_told_at_once() -> None:
    lines = mistakes(tuning={"metric": "rmse"}, columns={"target": "churn"}, run={"algorithms": ["x"]})
    assert [line.split(": ")[1] for line in lines] == ["tuning.metric", "columns.positive", "run.algorithms"]


def test_a_regression_is_fine_with_its_own_metrics() -> None:
    pipeline = pipeline_of({**yaml.safe_load(CHURN), **REGRESSION}, "housing.yaml")
    assert not pipeline.greater_is_better


@pytest.mark.parametrize("schedule", ["0 2 * * 0", "*/15 8-18 * * 1-5", "@weekly", "@continuous", None])
def test_schedules(pipeline: Pipeline, schedule: str | None) -> None:
    assert pipeline_of({**pipeline.model_dump(), "schedule": schedule}).schedule == schedule


@pytest.mark.parametrize("schedule", ["", "0 2 * *", "0 2 * * 0 0", "@often", "weekly", "0  2 * * 0", "0 2 * * 0\n"])
def test_schedules_that_are_none(schedule: str) -> None:
    [line] = mistakes(schedule=schedule)
    assert line.startswith("churn.yaml: schedule: string should match pattern")


@pytest.mark.parametrize(
    ("place", "field"),
    [("", "name"), ("source", "uri"), ("columns", "target"), ("tuning", "trials"), ("run", "trials")],
)
def test_a_pipeline_is_frozen(pipeline: Pipeline, place: str, field: str) -> None:
    section = getattr(pipeline, place) if place else pipeline
    with pytest.raises(ValidationError, match="frozen"):
        setattr(section, field, "x")


def test_all_algorithms_are_selected_by_default(pipeline: Pipeline) -> None:
    assert pipeline.selected_algorithms == ["boosted", "leaves", "linear"]


def test_selected_algorithms_stand_in_the_order_of_the_file(pipeline: Pipeline) -> None:
    assert pipeline.for_run({"algorithms": ["linear", "boosted"]}).selected_algorithms == ["boosted", "linear"]


def test_run_parameters_are_applied(pipeline: Pipeline) -> None:
    run = pipeline.for_run({"trials": 3, "tuning": False, "sample_ratio": 0.5, "batch_size": 10, "promote_to": "none"})
    assert (run.tuning.trials, run.tuning.enabled) == (3, False)
    assert (run.run.trials, run.run.tuning) == (3, False)
    assert (run.run.sample_ratio, run.run.batch_size, run.run.promote_to) == (0.5, 10, "none")
    assert run.model_copy(update={"tuning": pipeline.tuning, "run": pipeline.run}) == pipeline


def test_parameters_left_out_or_null_keep_the_pipelines_values(pipeline: Pipeline) -> None:
    assert pipeline.for_run({}) == pipeline
    assert pipeline.for_run({"trials": None, "algorithms": None, "tuning": None, "sample_ratio": None}) == pipeline


def test_the_files_own_defaults_hold_unless_a_run_says_otherwise(pipeline: Pipeline) -> None:
    document = {**pipeline.model_dump(), "run": {"trials": 7, "note": "weekly"}}
    quick = pipeline_of(document)
    assert quick.for_run({}).tuning.trials == 7
    assert quick.for_run({"trials": None}).tuning.trials == 7
    assert quick.for_run({"trials": 2}).tuning.trials == 2
    assert quick.for_run({"trials": 2}).run.note == "weekly"


def test_a_runs_pipeline_stays_what_it_is(pipeline: Pipeline) -> None:
    run = pipeline.for_run({"trials": 3, "algorithms": ["leaves"]})
    assert run.for_run({}) == run


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({"trails": 3}, "run parameters: trails: unknown key; did you mean 'trials'?", id="unknown"),
        pytest.param({"trials": "many"}, "run parameters: trials: .*integer.*, not 'many'", id="type"),
        pytest.param({"sample_ratio": 2}, "run parameters: sample_ratio: .*less than or equal to 1", id="bound"),
        pytest.param(
            {"promote_to": "productoin"},
            "promote_to: 'productoin' is not allowed; did you mean 'production'?",
            id="alias",
        ),
        pytest.param(
            {"algorithms": ["leafs"]},
            "pipeline churn with run parameters: run.algorithms: no algorithm 'leafs'; did you mean 'leaves'?",
            id="algorithm",
        ),
        pytest.param({"algorithms": []}, "run parameters: algorithms: list should have at least 1 item", id="none"),
    ],
)
def test_wrong_run_parameters(pipeline: Pipeline, parameters: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        pipeline.for_run(parameters)


def test_yaml_round_trip(pipeline: Pipeline, churn: Pipeline) -> None:
    for one in (pipeline, churn, pipeline.for_run({"trials": 3, "algorithms": ["leaves"], "note": "café: “yes” # 1"})):
        assert parse_pipeline(one.to_yaml(), "again.yaml") == one


def test_types_survive_the_round_trip(pipeline: Pipeline) -> None:
    awkward = {"text": "1e-3", "no": "no", "small": 1e-05, "whole": 3, "yes": True, "none": None, "list": [1, 2.0]}
    boosted = {"KIND": "xgboost", "params": awkward, "search": {"depth": {"low": 1, "high": 8, "step": 1}}}
    one = pipeline_of({**pipeline.model_dump(), "algorithms": {"boosted": boosted}})
    again = parse_pipeline(one.to_yaml(), "again.yaml").algorithms["boosted"]
    assert {key: (type(value), value) for key, value in again.params.items()} == {
        key: (type(value), value) for key, value in awkward.items()
    }
    assert again == one.algorithms["boosted"]


def test_greater_is_better_follows_the_tuning_metric(pipeline: Pipeline) -> None:
    assert pipeline.greater_is_better
    falling = pipeline_of({**pipeline.model_dump(), "tuning": {"metric": "log_loss"}})
    assert not falling.greater_is_better


def test_load_pipeline_names_the_file(tmp_path: Any) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(CHURN + "sorce: 1\n")
    with pytest.raises(ConfigurationError, match=rf"^{file}: sorce: unknown key"):
        load_pipeline(file)


def test_two_files_must_not_share_a_name() -> None:
    names: dict[str, str] = {}
    refuse_same_name(names, "churn", "a.yaml")
    refuse_same_name(names, "housing", "b.yaml")
    with pytest.raises(ConfigurationError, match=r"c\.yaml: name: 'churn' is the name of a\.yaml too"):
        refuse_same_name(names, "churn", "c.yaml")
    assert names == {"churn": "a.yaml", "housing": "b.yaml"}


@pytest.mark.parametrize(("part", "role"), [("churn", "the target"), ("customer", "the id")])
def test_no_date_is_built_from_the_target_or_the_id(part: str, role: str) -> None:
    source = {"KIND": "csv", "uri": "churn.csv", "dates": {"seen": {"year": "y", "month": "m", "day": part}}}
    assert mistakes(source=source) == [
        f"churn.yaml: source.dates.seen: {part!r} is {role}, which nothing may be computed from"
    ]
