"""Figures against scikit-learn called by hand, the best cut-off against every cut-off, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from trainer.errors import ConfigurationError, DataValidationError, ModelRefusedError
from trainer.pipeline import metrics_for
from trainer.problems import problem_of
from trainer.problems.predictions import Predictions

CLASSES = ("b", "c", "a")
"""Out of their alphabetical order on purpose: the order of the columns is the model's."""


def binary(rows: int = 400, seed: int = 0, cut_off: float = 0.6) -> Predictions:
    random = np.random.default_rng(seed)
    probability = random.integers(0, 21, rows) / 20  # many ties, 0 and 1 among them
    truth = np.where(random.random(rows) < 0.2 + 0.6 * probability, "Yes", "No")
    return Predictions(truth, np.where(probability >= cut_off, "Yes", "No"), probability, positive="Yes")


def multiclass(rows: int = 400, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    probability = random.integers(1, 6, (rows, 3)).astype(float)
    probability /= probability.sum(axis=1, keepdims=True)
    labels = np.array(CLASSES)
    truth = labels[(random.random((rows, 1)) > probability.cumsum(axis=1)[:, :2]).sum(axis=1)]
    return Predictions(truth, labels[probability.argmax(axis=1)], probability, CLASSES)


def regression(rows: int = 400, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    truth = random.normal(1e4, 50, rows).round()
    return Predictions(truth, truth + random.normal(5, 40, rows), None)


def test_binary_figures_are_those_of_scikit_learn() -> None:
    made = binary()
    truth, called = made.truth == "Yes", made.predicted == "Yes"
    assert problem_of("binary_classification").score(made) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(made.truth, made.predicted),
            "precision": metrics.precision_score(made.truth, made.predicted, average="weighted"),
            "recall": metrics.recall_score(made.truth, made.predicted, average="weighted"),
            "f1_score": metrics.f1_score(made.truth, made.predicted, average="weighted"),
            "positive_precision": metrics.precision_score(truth, called),
            "positive_recall": metrics.recall_score(truth, called),
            "positive_f1_score": metrics.f1_score(truth, called),
            "auc_roc": metrics.roc_auc_score(truth, made.probability),
            "auc_pr": metrics.average_precision_score(truth, made.probability),
            "log_loss": metrics.log_loss(truth, made.probability),
            "brier_score": metrics.brier_score_loss(truth, made.probability),
        },
        rel=1e-13,
    )


def test_multiclass_figures_are_those_of_scikit_learn_on_columns_in_its_order() -> None:
    made = multiclass()
    assert made.probability is not None
    ordered = made.probability[:, [2, 0, 1]]
    hot = made.truth[:, None] == np.array(sorted(CLASSES))
    averages: dict[str, Any] = {"average": "weighted"}
    assert problem_of("multiclass_classification").score(made) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(made.truth, made.predicted),
            "precision": metrics.precision_score(made.truth, made.predicted, **averages),
            "recall": metrics.recall_score(made.truth, made.predicted, **averages),
            "f1_score": metrics.f1_score(made.truth, made.predicted, **averages),
            "auc_roc": metrics.roc_auc_score(made.truth, ordered, multi_class="ovr", **averages),
            "auc_pr": metrics.average_precision_score(hot, ordered, **averages),
            "log_loss": metrics.log_loss(made.truth, ordered),
            "brier_score": metrics.brier_score_loss(made.truth, ordered),
        },
        rel=1e-13,
    )


def test_regression_figures_from_first_principles() -> None:
    made = regression()
    errors = made.truth - made.predicted
    figures = problem_of("regression").score(made)
    assert figures["mse"] == pytest.approx((errors**2).mean(), rel=1e-13)
    assert figures["rmse"] == pytest.approx((errors**2).mean() ** 0.5, rel=1e-13)
    assert figures["mae"] == pytest.approx(abs(errors).mean(), rel=1e-13)
    assert figures["mape"] == pytest.approx((abs(errors) / abs(made.truth)).mean(), rel=1e-13)
    assert figures["r2"] == pytest.approx(1 - (errors**2).mean() / made.truth.var(), rel=1e-9)


def test_a_target_of_0_has_no_percentage() -> None:
    made = Predictions(np.array([0, -2.0, 4.0, 0]), np.array([9.0, -3.0, 3.0, 0]), None)
    assert problem_of("regression").score(made, ["mape"]) == {"mape": (1 / 2 + 1 / 4) / 2}
    assert problem_of("regression").score(Predictions(np.array([0, 5]), np.array([1, 4]), None), ["mape"]) == {
        "mape": 0.2
    }


def test_without_a_target_other_than_0_there_is_no_mean_percentage() -> None:
    with pytest.raises(DataValidationError, match=r"mape is undefined: all 3 target values are 0; score rows"):
        problem_of("regression").score(Predictions(np.zeros(3), np.ones(3), None), ["mape"])


@pytest.mark.parametrize(
    ("negative", "positive"), [("No", "Yes"), ("0", "1"), (0, 1), (1, 0), (False, True), ("Yes", "No")]
)
def test_labels_of_any_type_give_the_same_figures(negative: object, positive: object) -> None:
    made = binary()
    truth, predicted = (np.where(side == "Yes", positive, negative) for side in (made.truth, made.predicted))  # type: ignore[call-overload]
    other = Predictions(truth, predicted, made.probability, positive=positive)
    assert problem_of("binary_classification").score(other) == problem_of("binary_classification").score(made)
    named = Predictions(truth, predicted, made.probability, classes=(negative, positive), positive=positive)
    assert problem_of("binary_classification").score(named) == problem_of("binary_classification").score(made)


def test_only_the_named_figures() -> None:
    assert list(problem_of("regression").score(regression(), ["mae", "rmse"])) == ["mae", "rmse"]


def test_a_class_never_called_counts_as_precision_0() -> None:
    made = Predictions(np.array(["y", "n", "n"]), np.array(["n", "n", "n"]), np.array([0.3, 0.2, 0.1]), positive="y")
    figures = problem_of("binary_classification").score(made, ["positive_precision", "positive_recall", "precision"])
    assert figures == {"positive_precision": 0, "positive_recall": 0, "precision": pytest.approx(4 / 9)}


def test_a_class_without_a_row_has_no_weight_in_the_areas() -> None:
    made = multiclass()
    kept = made.rows(made.truth != "a")
    figures = problem_of("multiclass_classification").score(kept, ["auc_roc", "log_loss"])
    assert kept.probability is not None
    areas = [metrics.roc_auc_score(kept.truth == name, kept.probability[:, at]) for at, name in enumerate(CLASSES[:2])]
    sizes = [(kept.truth == name).sum() for name in CLASSES[:2]]
    assert figures["auc_roc"] == pytest.approx(np.average(areas, weights=sizes), rel=1e-13)


def test_32_bit_probabilities_are_accepted() -> None:
    made = multiclass()
    assert made.probability is not None
    small = Predictions(made.truth, made.predicted, made.probability.astype(np.float32), CLASSES)
    expected = problem_of("multiclass_classification").score(made)
    assert problem_of("multiclass_classification").score(small) == pytest.approx(expected, rel=1e-5)


def test_rows_keeps_what_belongs_together() -> None:
    made = multiclass(10)
    chosen = made.rows(np.arange(10) % 2 == 0)
    assert chosen.truth.tolist() == made.truth[::2].tolist()
    assert chosen.predicted.tolist() == made.predicted[::2].tolist()
    assert made.probability is not None
    assert np.array_equal(chosen.probability, made.probability[::2])  # type: ignore[arg-type]
    assert chosen.classes == CLASSES


@pytest.mark.parametrize(
    ("problem", "made", "metric", "message"),
    [
        ("binary_classification", binary().rows(binary().truth == "No"), "auc_roc", "auc_roc is undefined: all .* No"),
        ("binary_classification", binary().rows(binary().truth == "Yes"), "auc_pr", "auc_pr is undefined: all .* Yes"),
        ("multiclass_classification", multiclass().rows(multiclass().truth == "a"), "auc_roc", "of the class a"),
        ("regression", Predictions(np.full(3, 7), np.arange(3), None), "r2", "all 3 target values are 7"),
        ("regression", regression(1), "r2", "r2 is undefined: all 1 target values"),
    ],
    ids=["roc-negatives", "pr-positives", "multiclass", "constant-target", "one-row"],
)
def test_an_undefined_figure_is_refused(problem: str, made: Predictions, metric: str, message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        problem_of(problem).score(made, [metric])
    others = [name for name in metrics_for(problem) if name not in ("auc_roc", "auc_pr", "r2")]
    assert np.isfinite(list(problem_of(problem).score(made, others).values())).all()


@pytest.mark.parametrize(
    ("problem", "made", "names", "error", "message"),
    [
        ("regression", regression(), ["accuracy"], ConfigurationError, "regression has no metric 'accuracy'"),
        ("binary_classification", binary(), ["acuracy"], ConfigurationError, "accuracy"),
        ("multiclass_classification", multiclass(), ["positive_recall"], ConfigurationError, "'positive_recall'"),
        ("translation", regression(), None, ConfigurationError, "there is no problem 'translation'"),
        ("language_modeling", regression(), None, ModelRefusedError, "needs the number of tokens of each text"),
        ("regression", binary(), None, ModelRefusedError, "regression needs probabilities of 0 dimensions"),
        ("binary_classification", multiclass(), None, ModelRefusedError, "of 1 dimensions .* not of 2"),
        ("multiclass_classification", regression(), None, ModelRefusedError, "of 2 dimensions .* not of 0"),
        ("regression", Predictions(np.array(["1"]), np.array([1.0]), None), None, ModelRefusedError, "needs numbers"),
        ("regression", Predictions(np.zeros(2), np.full(2, 1e200), None), ["mse"], ModelRefusedError, "mse is inf"),
    ],
    ids=[
        "not-its-metric",
        "typo",
        "positive-of-three",
        "problem",
        "no-tokens",
        "dims-0",
        "dims-1",
        "dims-2",
        "text",
        "overflow",
    ],
)
def test_a_request_that_does_not_fit_is_refused(
    problem: str, made: Predictions, names: list[str] | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        problem_of(problem).score(made, names)


YES_NO = np.array(["y", "n", "n"])
ABC = np.array(["a", "b", "c"])
THIRDS = np.full((3, 3), 1 / 3)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((np.array([]), np.array([]), None), DataValidationError, "no rows"),
        ((np.zeros(3), np.zeros(2), None), ModelRefusedError, r"shape \(2,\) for truth of \(3,\)"),
        ((np.zeros((3, 1)), np.zeros((3, 1)), None), ModelRefusedError, r"\(3, 1\)"),
        ((np.zeros(3), np.array([1, np.nan, np.inf]), None), ModelRefusedError, "2 of 3 predictions are .*inf"),
        ((np.array([1, np.nan, 2]), np.zeros(3), None), DataValidationError, "1 of 3 true values"),
        ((np.array(["y", None, "n"], dtype=object), YES_NO, np.zeros(3), (), "y"), DataValidationError, "None"),
        ((YES_NO, YES_NO, np.zeros(2), (), "y"), ModelRefusedError, r"shape \(2,\) for 3 rows"),
        ((YES_NO, YES_NO, np.array(["0", "1", "0"]), (), "y"), ModelRefusedError, "probabilities are <U1"),
        ((YES_NO, YES_NO, np.array([0.5, np.nan, 0.5]), (), "y"), ModelRefusedError, "1 of 3 probabilities .*nan"),
        ((YES_NO, YES_NO, np.array([0.5, -0.1, 1.5]), (), "y"), ModelRefusedError, r"2 of 3 prob.*: -0\.1, 1\.5"),
        ((YES_NO, YES_NO, np.zeros(3)), ModelRefusedError, "positive one is None"),
        ((YES_NO, YES_NO, np.zeros(3), (), "yes"), ModelRefusedError, "'yes', and all are 'n', 'y', 'yes'"),
        ((YES_NO, np.array([1, 0, 0]), np.zeros(3), (), "y"), ModelRefusedError, "all are 'n', 'y', 0, 1"),
        ((ABC, ABC, np.zeros(3), (), "a"), ModelRefusedError, "all are 'a', 'b', 'c'"),
        ((ABC, ABC, THIRDS, ("a", "b")), ModelRefusedError, "3 columns of probabilities for 2 classes.*'c'"),
        ((ABC, ABC, THIRDS, ("a", "b", "d")), ModelRefusedError, "none of these: 'c'"),
        ((ABC, ABC, THIRDS * 0.9, ("a", "b", "c")), ModelRefusedError, "3 of 3 rows .* do not add up to 1"),
    ],
    ids=[
        "empty", "lengths", "dimensions", "infinite", "missing-truth", "missing-label", "short-probability",
        "text-probability", "nan-probability", "out-of-range", "no-positive", "wrong-positive", "mixed-types",
        "three-in-binary", "columns", "unknown-class", "sums",
    ],
)  # fmt: skip
def test_predictions_that_make_no_sense_are_refused(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Predictions(*given)


def test_at_most_five_examples() -> None:
    with pytest.raises(ModelRefusedError, match=r"20 of 20 probabilities .*: (2\.\d+(, )?){5}$"):
        Predictions(np.zeros(20), np.zeros(20), np.linspace(2, 2.9, 20), positive=1)
