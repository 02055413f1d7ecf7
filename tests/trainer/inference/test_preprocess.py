"""Preprocessing: the numbers that scikit-learn would give, one row at a time or many."""

from __future__ import annotations

import pickle
from datetime import date

import numpy as np
import polars as pl
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from trainer.errors import DataValidationError
from trainer.inference import preprocess
from trainer.inference.preprocess import FEW_ROWS, Preprocessor, fit_preprocessor
from trainer.pipeline import Preprocess

TRAINING = pl.DataFrame({
    "contract": ["One year", "Two years", None, "One year", "is missing"],
    "tenure": [1, None, 3, 10, 2],
    "charge": [1.5, float("nan"), 2.5, 100.0, None],
    "senior": [True, False, None, True, False],
})
INPUTS = TRAINING.columns


TARGETS = np.array([[3.0], [1.0], [4.0], [1.0], [5.0]])


def _fit(frame: pl.DataFrame = TRAINING, **spec: str | int) -> Preprocessor:
    return fit_preprocessor(Preprocess.model_validate(spec), frame, frame.columns, TARGETS[: frame.height])


def test_names_and_values() -> None:
    fitted = _fit()
    assert fitted.names == [
        "tenure",
        "charge",
        "senior",
        "contract=One year",
        "contract=Two years",
        "contract=is missing",
        "contract is missing",
    ]
    matrix = fitted.transform(TRAINING)
    assert matrix.flags.c_contiguous
    assert matrix.dtype == np.float64
    assert matrix.tolist() == [
        [1, 1.5, 1, 1, 0, 0, 0],
        [2.5, 2.5, 0, 0, 1, 0, 0],
        [3, 2.5, 0.5, 0, 0, 0, 1],
        [10, 100, 1, 1, 0, 0, 0],
        [2, 2.5, 0, 0, 0, 1, 0],
    ]


@pytest.mark.parametrize("strategy", ["median", "mean"])
def test_imputes_like_scikit_learn(strategy: str) -> None:
    numbers = TRAINING.select("tenure", "charge").cast(pl.Float64).fill_nan(None).to_numpy()
    expected = SimpleImputer(strategy=strategy).fit_transform(numbers)
    found = _fit(TRAINING.select("tenure", "charge"), numeric=strategy).transform(TRAINING)
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("encoding", ["one_hot", "ordinal"])
def test_encodes_like_scikit_learn(encoding: str) -> None:
    rng = np.random.default_rng(3)
    texts = pl.DataFrame({name: rng.choice(["b", "a", "é", "Z", "10", "9"], 200).tolist() for name in ("p", "q")})
    unseen = pl.DataFrame({"p": ["new", "a"], "q": ["b", "=b"]})
    theirs = (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        if encoding == "one_hot"
        else OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    ).fit(texts.to_numpy())
    ours = _fit(texts, categorical=encoding)
    for frame in (texts, unseen):
        np.testing.assert_array_equal(ours.transform(frame), theirs.transform(frame.to_numpy()))


def test_an_ordinal_name_is_the_column_and_missing_is_a_category() -> None:
    fitted = _fit(TRAINING.select("contract"), categorical="ordinal")
    assert fitted.names == ["contract"]
    assert fitted.transform(pl.DataFrame({"contract": ["One year", None, "none"]}))[:, 0].tolist() == [0, 3, -1]


@pytest.mark.parametrize("scaling", ["standard", "none"])
@pytest.mark.parametrize("rare", [1, 2])
@pytest.mark.parametrize("encoding", ["one_hot", "ordinal", "native", "target"])
def test_one_row_gets_the_numbers_that_it_gets_among_many(encoding: str, rare: int, scaling: str) -> None:
    fitted = pickle.loads(pickle.dumps(_fit(categorical=encoding, rare=rare, numeric_scaling=scaling)))
    unseen = pl.DataFrame({"contract": ["Three years", "=One year"], "tenure": [7, None], "charge": [0.5, None],
                           "senior": [None, True]})  # fmt: skip
    many = pl.concat([TRAINING, unseen, TRAINING.reverse()])
    assert many.height > FEW_ROWS
    alone = [fitted.transform(many[row]) for row in range(many.height)]
    np.testing.assert_array_equal(np.vstack(alone), fitted.transform(many))
    assert fitted.transform(many).flags.c_contiguous


def test_native_categories_are_codes_and_unseen_ones_missing_values() -> None:
    fitted = _fit(TRAINING.select("tenure", "contract"), categorical="native", numeric_scaling="standard")
    assert fitted.is_category == (False, True)
    rows = pl.DataFrame({"tenure": [3.7, 3.7, 3.7], "contract": ["One year", None, "none"]})
    np.testing.assert_allclose(fitted.transform(rows), np.array([[0, 0], [0, 3], [0, np.nan]]), atol=1e-12)
    assert _fit(categorical="target").is_category == (False,) * 4


def test_rare_categories_and_unseen_ones_are_one_and_missing_stays_another() -> None:
    fitted = _fit(TRAINING.select("contract"), rare=2)
    assert fitted.names == ["contract=One year", "contract is missing", "contract is rare"]
    rows = pl.DataFrame({"contract": ["One year", None, "Two years", "never seen"]})
    assert fitted.transform(rows).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert _fit(TRAINING.select("contract"), rare=3, categorical="ordinal").transform(rows)[:, 0].tolist() == [
        1,
        0,
        1,
        1,
    ]


@pytest.mark.parametrize("encoding", ["one_hot", "ordinal", "target"])
def test_scales_like_scikit_learn_all_but_one_hot_columns(encoding: str) -> None:
    plain = _fit(categorical=encoding).transform(TRAINING)
    expected = StandardScaler().fit_transform(plain)
    scaled = 3 if encoding == "one_hot" else 4
    expected[:, scaled:] = plain[:, scaled:]
    np.testing.assert_allclose(_fit(categorical=encoding, numeric_scaling="standard").transform(TRAINING), expected)


def test_a_constant_number_is_not_divided_by_nothing() -> None:
    fitted = _fit(pl.DataFrame({"same": [2.0, 2.0]}), numeric_scaling="standard")
    assert fitted.transform(pl.DataFrame({"same": [2.0, 3.0]})).tolist() == [[0], [1]]


def test_one_hot_columns_that_would_fill_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preprocess, "MOST_ONE_HOT", 4)
    monkeypatch.setattr(preprocess, "MOST_CELLS", 30)
    with pytest.raises(
        DataValidationError, match=r"one_hot makes 7 columns.*'contract' has 4 categories.*set it to target"
    ):
        _fit()
    monkeypatch.setattr(preprocess, "MOST_CELLS", 35)
    assert len(_fit().names) == 7
    monkeypatch.setattr(preprocess, "MOST_CELLS", 1)
    assert len(_fit(categorical="target").names) == 4


def test_infinite_numbers_are_refused_however_many_rows_there_are() -> None:
    fitted = _fit()
    for count in (1, FEW_ROWS + 1):
        rows = pl.concat([TRAINING.head(1).with_columns(charge=pl.lit(float("inf")))] * count)
        with pytest.raises(DataValidationError, match=f"'charge' is infinite in {count} of {count} rows"):
            fitted.transform(rows)


def test_rows_without_any_value_and_no_rows() -> None:
    fitted = _fit()
    nothing = pl.DataFrame({name: [None] for name in INPUTS})
    assert fitted.transform(nothing).tolist() == [[2.5, 2.5, 0.5, 0, 0, 0, 1]]
    assert fitted.transform(TRAINING.clear()).shape == (0, 7)


def test_categorical_and_enum_columns_are_texts() -> None:
    kinds = pl.DataFrame({"c": ["x", "y"], "e": ["p", None]}).cast({"c": pl.Categorical, "e": pl.Enum(["q", "p"])})
    assert _fit(kinds).names == ["c=x", "c=y", "e=p", "e is missing"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.Series("when", [date(2024, 1, 1)]), "'when' is a Date: derive a number"),
        (pl.Series("empty", [None], dtype=pl.Float64), "'empty' has no value in any of 1 training rows"),
        (pl.Series("nan", [float("nan")]), "'nan' has no value"),
        (pl.Series("infinite", [float("inf")]), "'infinite' is infinite in 1 of 1 rows"),
        (pl.Series("many", [[1, 2]]), "'many' is a List"),
    ],
    ids=["date", "missing", "nan", "infinite", "list"],
)
def test_refuses_inputs_that_cannot_be_numbers(column: pl.Series, message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        _fit(column.to_frame())


def test_refuses_no_inputs_and_an_input_that_is_not_there() -> None:
    with pytest.raises(DataValidationError, match="no inputs"):
        fit_preprocessor(Preprocess(), TRAINING, [])
    with pytest.raises(DataValidationError, match=r"'tenur' is missing.*tenure"):
        fit_preprocessor(Preprocess(), TRAINING, ["tenur"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (TRAINING.drop("contract"), "'contract' is missing"),
        (TRAINING.cast({"tenure": pl.String}), "'tenure' was a number or boolean in training and is String"),
        (TRAINING.with_columns(contract=pl.lit(3)), "'contract' was a text in training and is Int32"),
        (TRAINING.with_columns(charge=pl.lit(float("-inf"))), "'charge' is infinite in 5 of 5 rows"),
    ],
    ids=["absent", "text for a number", "number for a text", "infinite"],
)
def test_refuses_rows_that_are_not_like_the_training_rows(rows: pl.DataFrame, message: str) -> None:
    with pytest.raises(DataValidationError, match=message):
        _fit().transform(rows)
