"""The step `refit`: the winner learns from validation rows too, and is what is judged and registered."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.conftest import changed
from trainer.errors import StepNotDoneError
from trainer.pipeline import Pipeline, pipeline_of
from trainer.registry.own_models import load_fitted
from trainer.registry.tracking import TASK_TAG
from trainer.run.records import FeaturesResult, RefitResult, StartResult, TrainResult
from trainer.steps.refit import _winner
from trainer.tables.handover import FEATURES, KEY, KEYS, PART, PREDICTIONS
from trainer.tables.parquet import read_table


def fitted(runs: Any) -> RefitResult:
    result: RefitResult = runs.folder.at("refit").result(RefitResult)
    return result


def trained_as(runs: Any) -> TrainResult:
    result: TrainResult = runs.folder.at("train", "logistic").result(TrainResult)
    return result


def test_constants_and_imputers_are_fitted_on_training_and_validation_rows(trained: Any) -> None:
    table = read_table(trained.folder.at("engineer_features"), FEATURES)
    middles = {
        name: table.filter(pl.col(PART).is_in(parts))["monthly_charges"].median()
        for name, parts in {
            "train": ["train"],
            "refit": ["train", "validation"],
            "all": ["train", "validation", "test"],
        }.items()
    }
    result, model = fitted(trained), load_fitted(fitted(trained).model_id)
    assert len({*middles.values()}) == 3
    assert result.constants == model.preparation.constants == {"median_charges": middles["refit"]}
    before = trained.folder.at("engineer_features").result(FeaturesResult)
    assert before.constants == {"median_charges": middles["train"]}
    assert result.rows == before.rows["train"] + before.rows["validation"]
    assert result.keys == before.keys


def test_parameters_and_cut_off_stay_as_they_were_chosen(trained: Any) -> None:
    result, before = fitted(trained), trained_as(trained)
    first, second = (load_fitted(one.model_id) for one in (before, result))
    assert first.estimator.get_params() == second.estimator.get_params()
    assert result.cut_off == before.cut_off == second.cut_off
    assert not (first.estimator.coef_ == second.estimator.coef_).all()


def test_its_answers_to_the_rows_that_it_learned_from_are_kept(trained: Any) -> None:
    predictions = read_table(trained.folder.at("refit"), PREDICTIONS)
    keys = read_table(trained.folder.at("engineer_features"), KEYS)
    assert predictions.columns == [KEY, PART, "prediction", "probability"]
    assert predictions.select(KEY, PART).sort(KEY).equals(keys.filter(keys[PART] != "test").sort(KEY))


def test_the_child_run_has_figures_of_the_rows_that_it_learned_from_alone(trained: Any) -> None:
    experiment = trained.folder.at("start").result(StartResult).experiment_id
    (run,) = trained.client.search_runs([experiment], f"tags.`{TASK_TAG}` = 'refit'")
    assert (run.info.run_id, run.info.run_name) == (fitted(trained).run_id, "churn_logistic_refit")
    figures = {name for name in run.data.metrics if not name.startswith("cost_")}
    assert figures
    assert all(name.startswith("train_") for name in figures)


def test_without_a_refit_the_winner_is_the_model_that_was_trained(trained: Any) -> None:
    trained.step("refit", pipeline=changed(trained.frozen, refit="none"))
    result, before = fitted(trained), trained_as(trained)
    assert (result.model_uri, result.run_id, result.cut_off) == (before.model_uri, before.run_id, before.cut_off)
    assert result.what.endswith(f"fitted on {result.rows:,} training rows")
    trained.step("evaluate", pipeline=changed(trained.frozen, refit="none"))


def test_no_candidate_may_be_missing(trained: Any) -> None:
    trained.folder.at("train", "logistic")._remove("result.json")
    with pytest.raises(StepNotDoneError, match="step 'train logistic' is not done"):
        trained.step("refit")


@pytest.mark.parametrize(("metric", "winner"), [("auc_roc", "higher"), ("log_loss", "lower")])
def test_the_winner_is_the_best_on_validation_rows(quick_churn: Pipeline, metric: str, winner: str) -> None:
    tuning = {**quick_churn.tuning.model_dump(mode="json"), "metric": metric}
    pipeline = pipeline_of({**quick_churn.model_dump(mode="json"), "tuning": tuning})
    shared: dict[str, Any] = {
        "run_id": "",
        "model_id": "",
        "model_uri": "",
        "params": {},
        "train_metrics": {},
        "cut_off": None,
        "predictions": "",
    }
    candidates = {
        name: TrainResult.model_validate({**shared, "algorithm": name, "metrics": {metric: value}})
        for name, value in (("lower", 0.7), ("higher", 0.8))
    }
    assert _winner(pipeline, candidates) == winner
