"""The step `evaluate`: the challenger and production on the same unseen rows, or an error that says why not."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import polars as pl
import pytest

from trainer.errors import DataValidationError, ModelRefusedError
from trainer.evaluation.comparison import Rival
from trainer.evaluation.registered import never_seen
from trainer.pipeline import Pipeline, pipeline_of
from trainer.problems import problem_of
from trainer.problems.predictions import Predictions
from trainer.registry.anchor import ANCHOR_TAG, REPLACES_TAG
from trainer.registry.origin import MODEL_DIGEST_TAG
from trainer.registry.versions import KEYS_DIGEST_TAG, KEYS_TAG, PRODUCTION, Reference
from trainer.reports.run_report import render_run_report
from trainer.run import RunFolder
from trainer.run.records import DecisionResult, EvaluateResult, FeaturesResult, RefitResult, TrainResult, TuneResult
from trainer.steps.evaluate import _compare
from trainer.tables import row_subset
from trainer.tables.handover import KEY, KEYS, PART, PREDICTIONS, SNAPSHOT, rows_of
from trainer.tables.handover import PREDICTIONS as ANSWERS
from trainer.tables.parquet import read_table, write_table

TEST_ROWS = 200


def evaluation(folder: RunFolder) -> EvaluateResult:
    return folder.at("evaluate").result(EvaluateResult)


@pytest.fixture
def challenged(accepted: Any) -> Any:
    """Run 1's model is production; run 2 has trained on the same data."""
    accepted.client.set_registered_model_alias(accepted.model, PRODUCTION, "1")
    accepted.another("run-2")
    return accepted


def tag(runs: Any, name: str, value: str) -> None:
    runs.client.set_model_version_tag(runs.model, "1", name, value)


def test_without_production_the_challenger_is_judged_alone(accepted: Any) -> None:
    result = evaluation(accepted.folder)
    fitted = accepted.folder.at("refit").result(RefitResult)
    assert (result.winner, result.run_id, result.model_uri) == ("logistic", fitted.run_id, fitted.model_uri)
    assert result.model_digest == fitted.model_digest
    assert (result.production_version, result.production_metrics, result.comparison) == ("", {}, None)
    assert result.aliases == {}
    assert result.test_rows == accepted.folder.at("engineer_features").result(FeaturesResult).rows["test"]
    assert result.test_rows > TEST_ROWS


def test_candidates_are_listed_with_what_they_cost(accepted: Any) -> None:
    (candidate,) = evaluation(accepted.folder).candidates
    trained = accepted.folder.at("train", "logistic").result(TrainResult)
    tuned = accepted.folder.at("tune", "logistic").result(TuneResult)
    assert candidate.validation == trained.metrics["auc_roc"]
    assert (candidate.cv_mean, candidate.cv_std) == (tuned.cv_mean, tuned.cv_std)
    assert candidate.seconds == pytest.approx(tuned.seconds + trained.seconds)


def test_the_figures_are_those_of_the_test_rows(accepted: Any) -> None:
    pipeline = accepted.frozen
    rows, truth, keys = rows_of(pipeline, accepted.folder, "test")
    assert accepted.client  # points MLflow at this run's store
    model = mlflow.pyfunc.load_model(evaluation(accepted.folder).model_uri).unwrap_python_model()
    predictions = problem_of(pipeline.problem).predictions(truth, model.fitted.predict(rows), "Yes")
    assert problem_of(pipeline.problem).score(predictions) == pytest.approx(evaluation(accepted.folder).metrics)
    parts = read_table(accepted.folder.at("engineer_features"), KEYS)
    assert keys.to_list() == parts.filter(parts[PART] == "test")["__key__"].to_list()


def test_rows_of_a_part_are_the_same_however_many_are_read_at_once(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_table(trained.folder.at("ingest"), SNAPSHOT)
    parts = read_table(trained.folder.at("engineer_features"), KEYS)
    monkeypatch.setattr(row_subset, "BATCH_ROWS", 37)
    for part in ("validation", "test"):
        rows, truth, keys = rows_of(trained.frozen, trained.folder, part)
        expected = whole.filter(parts[PART] == part)
        assert expected.height > 37
        assert rows.equals(expected.drop("churn"))
        assert truth.equals(expected["churn"])
        assert keys.equals(parts["__key__"].filter(parts[PART] == part))


SLICES: list[dict[str, Any]] = [
    {"column": "contract", "segments": ["Month-to-month", "One year"], "limits": {"brier_score": 0.5}},
    {"column": "tenure_category", "min_rows": 5, "max_loss": 0.05},
]
RISES = {"name": "risk rises with tenure", "set": {"tenure": "tenure + 12"}, "expect": "does_not_fall"}


def judged_more(runs: Any) -> Pipeline:
    """The run's pipeline, which asks for segments too, and expects what no model of this data does."""
    frozen = runs.frozen.model_dump(mode="json")
    behaviour = [*frozen["behaviour"], RISES]
    return pipeline_of({**frozen, "gates": {**frozen["gates"], "slices": SLICES}, "behaviour": behaviour})


def test_segments_and_behaviour_are_judged_and_the_answers_are_kept(trained: Any) -> None:
    trained.step("evaluate", pipeline=judged_more(trained))
    result = evaluation(trained.folder)
    pipeline = judged_more(trained)
    rows, truth, keys = rows_of(pipeline, trained.folder, "test")
    kept = read_table(trained.folder.at("evaluate"), ANSWERS)
    assert kept.columns == ["__key__", "truth", "prediction", "probability"]
    assert result.predictions == trained.folder.at("evaluate").uri_of(ANSWERS)
    assert (kept["__key__"].to_list(), kept["truth"].to_list()) == (keys.to_list(), truth.to_list())
    yearly = kept.filter(rows["contract"] == "One year")
    segments = {(found.column, found.segment): found for found in result.slices}
    assert [name for column, name in segments if column == "contract"] == ["Month-to-month", "One year"]
    found = segments["contract", "One year"]
    error = yearly["probability"] - (yearly["truth"] == "Yes").cast(pl.Float64)
    assert (found.rows, found.production_metrics, found.comparison) == (yearly.height, {}, None)
    assert found.metrics["brier_score"] == pytest.approx((error**2).mean())
    by_tenure = {name: one.rows for (column, name), one in segments.items() if column == "tenure_category"}
    assert list(by_tenure) == ["Long", "Medium", "New", "Very_Long"]
    assert sum(by_tenure.values()) == sum(one.rows for one in result.reliability) == result.test_rows
    longer, monthly, other_id, rises = result.behaviour
    assert longer.rows == (rows_of(pipeline, trained.folder, "validation")[0]["tenure"] <= 60).sum()
    assert longer.mean_change < 0 < monthly.mean_change
    assert (other_id.rows > TEST_ROWS / 2, other_id.largest_change) == (True, 0)
    assert rises.mean_change < 0
    with pytest.raises(
        ModelRefusedError, match="behaviour: risk rises with tenure: expected: does not fall; mean change -"
    ):
        trained.step("decide", pipeline=pipeline)


def test_production_is_compared_on_rows_that_it_has_not_learned_from(challenged: Any) -> None:
    """Of the test rows, production has trained on every second one."""
    folder = challenged.folder
    keys = read_table(folder.at("engineer_features"), KEYS)
    seen = keys.with_columns(pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("train")).otherwise(PART).alias(PART))
    tag(challenged, KEYS_DIGEST_TAG, write_table(folder.at("elsewhere"), KEYS, seen))
    tag(challenged, KEYS_TAG, folder.at("elsewhere").uri_of(KEYS))
    challenged.step("evaluate", key="run-2", pipeline=judged_more(challenged))
    result = evaluation(challenged.at("run-2"))
    assert (result.production_version, result.aliases) == ("1", {PRODUCTION: "1"})
    assert result.production_metrics == pytest.approx(result.metrics)  # it is the same model
    compared = result.comparison
    assert compared is not None
    assert (compared.gain, compared.lower, compared.upper) == (0, 0, 0)
    assert compared.rows == (seen[PART] == "test").sum()
    assert compared.rows_left_out == result.test_rows - compared.rows > 50
    assert compared.production == compared.challenger != result.metrics["auc_roc"]
    contract, *by_tenure = [found for found in result.slices if found.segment != "One year"]
    assert contract.production_metrics == pytest.approx(contract.metrics)
    assert (contract.comparison, contract.not_compared) == (None, "")  # it asks for none
    told = [found.comparison.rows for found in by_tenure if found.comparison]
    assert 0 < sum(told) <= compared.rows
    assert [bool(found.comparison) != bool(found.not_compared) for found in by_tenure] == [True] * 4
    kept = read_table(challenged.at("run-2").at("evaluate"), ANSWERS)
    assert kept.columns[-2:] == ["production_prediction", "production_probability"]
    assert kept["production_probability"].equals(kept["probability"])


def test_with_too_few_new_rows_there_is_no_comparison(accepted: Any, caplog: pytest.LogCaptureFixture) -> None:
    truth = np.array(["No", "Yes"] * 50)
    predictions = Predictions(truth, truth, np.linspace(0, 1, 100), positive="Yes")
    few, enough = (Rival(predictions, np.arange(100) < rows) for rows in (29, 30))
    with caplog.at_level(logging.WARNING, logger="trainer"):
        assert _compare(accepted.frozen, predictions, few, 0.95) is None
    assert "only 29 test rows are new to production, 30 are needed to compare" in caplog.text
    assert _compare(accepted.frozen, predictions, enough, 0.95) is not None


@pytest.mark.parametrize("content", [None, b"", b"no parquet"], ids=["no-file", "empty", "no-parquet"])
def test_production_without_a_record_of_its_rows_is_no_reason_to_skip_the_comparison(
    content: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "keys.parquet"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        DataValidationError, match=r"production version 3 was trained on cannot be read from .*keys.parquet"
    ):
        never_seen(pl.Series(["a"]), Reference("3", "", "", file.as_uri()))


def test_only_test_rows_and_new_rows_are_unseen_by_production(tmp_path: Path) -> None:
    file = tmp_path / "keys.parquet"
    pl.DataFrame({KEY: ["a", "b", "c"], PART: ["train", "validation", "test"]}).write_parquet(file)
    unseen = never_seen(pl.Series(["a", "b", "c", "new"]), Reference("3", "", "", file.as_uri()))
    assert unseen.to_list() == [False, False, True, True]


def test_production_whose_version_names_no_rows_is_refused() -> None:
    with pytest.raises(DataValidationError, match="production version 3 has no record of the rows"):
        never_seen(pl.Series(["a"]), Reference("3", "", "", ""))


def refused(challenged: Any, message: str) -> None:
    """Evaluate the second run, which production's model refuses with a message."""
    with pytest.raises(ModelRefusedError, match=message):
        challenged.step("evaluate", key="run-2")
    failure = challenged.at("run-2").at("evaluate").failure()
    assert failure is not None
    assert "This is production's model: nothing can be compared with it, so nothing is promoted." in failure.message


def test_production_whose_files_lie_elsewhere_is_not_loaded(challenged: Any) -> None:
    elsewhere = challenged.home / "elsewhere"
    shutil.copytree(mlflow.artifacts.download_artifacts(evaluation(challenged.folder).model_uri), elsewhere)
    tags = challenged.client.get_model_version(challenged.model, "1").tags
    version = challenged.client.create_model_version(challenged.model, elsewhere.as_uri(), tags=tags).version
    challenged.client.set_registered_model_alias(challenged.model, PRODUCTION, version)
    refused(
        challenged, rf"version 2 lies at file://{elsewhere}, outside file://.*, where the runs of this pipeline write"
    )


def test_production_whose_files_were_changed_is_not_loaded(challenged: Any) -> None:
    tag(challenged, MODEL_DIGEST_TAG, "0" * 64)
    refused(challenged, r"its files have the SHA-256 [0-9a-f]{64}, expected 0{64}: they were changed after")


def test_production_that_no_run_has_registered_is_not_loaded(challenged: Any) -> None:
    challenged.client.delete_model_version_tag(challenged.model, "1", MODEL_DIGEST_TAG)
    refused(challenged, r"version 1 has no tag trainer\.model_digest: no run has registered it")


def test_a_model_that_answers_otherwise_than_in_training_is_refused(trained: Any) -> None:
    folder = trained.folder.at("refit")
    predictions = read_table(folder, PREDICTIONS)
    write_table(folder, PREDICTIONS, predictions.with_columns(pl.col("probability") * 0.99))
    with pytest.raises(ModelRefusedError, match=r"it answers differently than in training, by up to 0\.00"):
        trained.step("evaluate")


def test_a_challenger_whose_files_were_changed_since_it_was_fitted_is_refused(trained: Any) -> None:
    trained.edit("refit", model_digest="0" * 64)
    with pytest.raises(ModelRefusedError, match=r"its files have the SHA-256 [0-9a-f]{64}, expected 0{64}"):
        trained.step("evaluate")


FRESH: dict[str, Any] = {"metric": "auc_roc", "rule": "not_worse", "margin": 0.2, "resamples": 200, "min_rows": 30}


def fresh(runs: Any, margin: float = 0.2, **gates: Any) -> Pipeline:
    """The pipeline of the second run with the rule `not_worse`."""
    frozen = runs.at("run-2").pipeline().model_dump(mode="json")
    rule = {**FRESH, "margin": margin}
    return pipeline_of({**frozen, "gates": {**frozen["gates"], "against_production": rule, **gates}})


@pytest.fixture
def anchored(challenged: Any) -> Any:
    """Production is version 2, promoted as not worse than its anchor, version 1; both are the same model."""
    client, model = challenged.client, challenged.model
    first = client.get_model_version(model, "1")
    client.create_model_version(model, first.source, tags={**first.tags, ANCHOR_TAG: "1"})
    client.set_registered_model_alias(model, PRODUCTION, "2")
    return challenged


def test_with_a_margin_the_anchor_is_judged_on_the_same_rows(anchored: Any) -> None:
    """A row that either of them has learned from does not count."""
    folder = anchored.folder
    keys = read_table(folder.at("engineer_features"), KEYS)
    third = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("train")).otherwise(PART).alias(PART)
    tag(anchored, KEYS_DIGEST_TAG, write_table(folder.at("elsewhere"), KEYS, keys.with_columns(third)))
    tag(anchored, KEYS_TAG, folder.at("elsewhere").uri_of(KEYS))
    pipeline = fresh(anchored, slices=[{"column": "senior_citizen", "min_rows": 5, "max_loss": 0.2}])
    anchored.step("evaluate", key="run-2", pipeline=pipeline)
    result = evaluation(anchored.at("run-2"))
    assert (result.production_version, result.anchor_version, result.anchor_missing) == ("2", "1", "")
    first, second = result.comparison, result.anchor_comparison
    assert first
    assert second
    assert (
        first.rows
        == second.rows
        == result.rows_new_to_production
        == keys.with_columns(third).filter(pl.col(PART) == "test").height
    )
    assert (first.bound, second.bound) == (0, 0)  # they are all the same model
    assert first.bound_confidence == 0.95
    assert second.bound_confidence == pytest.approx(1 - 0.05 / 52)
    assert [bool(segment.anchor_comparison) for segment in result.slices] == [True, True]
    kept = read_table(anchored.at("run-2").at("evaluate"), ANSWERS)
    assert kept.columns[4:] == [f"{role}_{name}" for role in ("anchor", "production") for name in kept.columns[2:4]]
    assert kept["anchor_probability"].equals(kept["production_probability"])
    anchored.step("decide", key="run-2", pipeline=pipeline)
    decision = anchored.at("run-2").at("decide").result(DecisionResult)
    assert (decision.outcome, decision.promoted_as, decision.anchor) == ("promote", "not_worse", "1")
    page = render_run_report(anchored.at("run-2"))
    assert page.count("bound &gt; -0.2") == 2
    assert "not_worse, margin 0.2; the gain&#39;s lower bound: +0 against production (version 2)" in page


def test_production_as_its_own_anchor_is_scored_once(challenged: Any) -> None:
    """An earlier release has promoted it: it says what it replaced, and not what it was promoted as."""
    tag(challenged, REPLACES_TAG, "none")
    challenged.step("evaluate", key="run-2", pipeline=fresh(challenged))
    result = evaluation(challenged.at("run-2"))
    assert (result.production_version, result.anchor_version) == ("1", "1")
    assert result.anchor_comparison is not None
    columns = read_table(challenged.at("run-2").at("evaluate"), ANSWERS).columns
    assert [name for name in columns if name.startswith(("anchor", "production"))] == columns[-2:]


def test_without_an_anchor_the_challenger_is_refused(challenged: Any) -> None:
    pipeline = fresh(challenged)
    challenged.step("evaluate", key="run-2", pipeline=pipeline)
    with pytest.raises(ModelRefusedError, match=r"needs an anchor: production version 1 has no tag trainer\.anchor"):
        challenged.step("decide", key="run-2", pipeline=pipeline)


def test_an_anchor_whose_files_were_changed_is_not_loaded(anchored: Any) -> None:
    tag(anchored, MODEL_DIGEST_TAG, "0" * 64)
    with pytest.raises(ModelRefusedError, match=r"models:/.*/1: its files have the SHA-256"):
        anchored.step("evaluate", key="run-2", pipeline=fresh(anchored))
    failure = anchored.at("run-2").at("evaluate").failure()
    assert "This is the anchor's model, which `rule: not_worse` compares with as well" in failure.message


def test_an_anchor_without_a_record_of_its_rows_is_refused(anchored: Any) -> None:
    tag(anchored, KEYS_TAG, "file:///nowhere/keys.parquet")
    with pytest.raises(DataValidationError, match="rows that anchor version 1 was trained on cannot be read"):
        anchored.step("evaluate", key="run-2", pipeline=fresh(anchored))
