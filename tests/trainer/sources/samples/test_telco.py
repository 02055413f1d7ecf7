"""The built-in sample looks like the published file, and says how well a model can do on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from trainer.errors import ConfigurationError
from trainer.sources.samples.telco import TelcoSample, generate_telco

PUBLISHED_HEADER = (
    "customerID,gender,SeniorCitizen,Partner,Dependents,tenure,PhoneService,MultipleLines,InternetService,"
    "OnlineSecurity,OnlineBackup,DeviceProtection,TechSupport,StreamingTV,StreamingMovies,Contract,PaperlessBilling,"
    "PaymentMethod,MonthlyCharges,TotalCharges,Churn"
)
ADD_ONS = ("OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport", "StreamingTV", "StreamingMovies")
PUBLISHED_SHARES = {
    ("SeniorCitizen", 1): 0.162,
    ("Partner", "Yes"): 0.483,
    ("Dependents", "Yes"): 0.300,
    ("PhoneService", "Yes"): 0.903,
    ("MultipleLines", "Yes"): 0.422,
    ("InternetService", "Fiber optic"): 0.440,
    ("InternetService", "No"): 0.217,
    ("OnlineSecurity", "Yes"): 0.287,
    ("TechSupport", "Yes"): 0.290,
    ("StreamingMovies", "Yes"): 0.388,
    ("Contract", "Month-to-month"): 0.550,
    ("Contract", "Two year"): 0.241,
    ("PaperlessBilling", "Yes"): 0.592,
    ("PaymentMethod", "Electronic check"): 0.336,
    ("PaymentMethod", "Mailed check"): 0.229,
}
PUBLISHED_CHURN = {
    ("Contract", "Month-to-month"): 0.427,
    ("Contract", "Two year"): 0.028,
    ("InternetService", "Fiber optic"): 0.419,
    ("InternetService", "No"): 0.074,
    ("PaymentMethod", "Electronic check"): 0.453,
    ("PaymentMethod", "Credit card (automatic)"): 0.152,
    ("TechSupport", "No"): 0.416,
    ("Dependents", "Yes"): 0.155,
}
PINNED_FIRST_ROW = (
    *("4505-TWTUA", "Female", 1, "No", "No", 4, "Yes", "No", "Fiber optic", "No", "No", "No", "No", "Yes", "No"),
    *("Month-to-month", "Yes", "Mailed check", 80.2, "311.1", "No"),
)
PINNED_CHARGES, PINNED_MONTHS = 457496.75, 229706


@pytest.fixture(scope="module", params=[42, 0, 7, 2024], ids="seed {}".format)
def sample(request: pytest.FixtureRequest) -> TelcoSample:
    return generate_telco(seed=request.param)


def _left(frame: pl.DataFrame) -> np.ndarray:
    return (frame["Churn"] == "Yes").to_numpy()


def test_columns_are_the_published_ones(sample: TelcoSample) -> None:
    header = PUBLISHED_HEADER.split(",")
    numbers = {"SeniorCitizen": pl.Int64(), "tenure": pl.Int64(), "MonthlyCharges": pl.Float64()}
    assert sample.frame.schema == pl.Schema({name: numbers.get(name, pl.String()) for name in header})
    assert sample.frame.shape == (7043, 21)
    assert sample.frame.null_count().sum_horizontal().item() == 0


def test_ids_are_unique_and_look_as_published(sample: TelcoSample) -> None:
    ids = sample.frame["customerID"]
    assert ids.is_unique().all()
    assert ids.str.contains(r"^[0-9]{4}-[A-Z]{5}$").all()


@pytest.mark.parametrize(("column", "value"), PUBLISHED_SHARES, ids=str)
def test_shares_are_near_the_published_ones(sample: TelcoSample, column: str, value: str | int) -> None:
    share = (sample.frame[column] == value).mean()
    assert share == pytest.approx(PUBLISHED_SHARES[column, value], abs=0.03)


@pytest.mark.parametrize(("column", "value"), PUBLISHED_CHURN, ids=str)
def test_churn_depends_on_columns_as_published(sample: TelcoSample, column: str, value: str) -> None:
    rate = _left(sample.frame.filter(pl.col(column) == value)).mean()
    assert rate == pytest.approx(PUBLISHED_CHURN[column, value], abs=0.05)


def test_numbers_are_near_the_published_ones(sample: TelcoSample) -> None:
    tenure, price = sample.frame["tenure"], sample.frame["MonthlyCharges"]
    assert (tenure.min(), tenure.max()) == (0, 72)
    assert price.is_between(18.25, 118.75).all()
    assert tenure.mean() == pytest.approx(32.4, abs=1.5)
    assert price.mean() == pytest.approx(64.8, abs=1.5)
    assert tenure.std() == pytest.approx(24.6, abs=1)
    assert price.std() == pytest.approx(30.1, abs=1)
    assert np.corrcoef(tenure, price)[0, 1] == pytest.approx(0.248, abs=0.06)


def test_total_charges_is_text_and_blank_where_nothing_was_billed(sample: TelcoSample) -> None:
    blank = sample.frame["TotalCharges"] == " "
    assert (blank == (sample.frame["tenure"] == 0)).all()
    assert blank.sum() == 11
    totals = sample.frame.filter(~blank)["TotalCharges"]
    assert totals.str.contains(r"^[0-9]+(\.[0-9]*[1-9])?$").all()
    assert totals.str.contains(".", literal=True).any()


def test_total_charges_follow_from_tenure_and_price(sample: TelcoSample) -> None:
    billed = sample.frame.filter(pl.col("tenure") > 0).with_columns(pl.col("TotalCharges").cast(pl.Float64))
    ratio = billed["TotalCharges"] / (billed["tenure"] * billed["MonthlyCharges"])
    assert ratio.filter(billed["tenure"] == 1).to_numpy() == pytest.approx(1)
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert ratio.is_between(0.6, 1.4).all()


def test_services_that_need_another_say_so(sample: TelcoSample) -> None:
    frame = sample.frame
    assert ((frame["MultipleLines"] == "No phone service") == (frame["PhoneService"] == "No")).all()
    for add_on in ADD_ONS:
        assert ((frame[add_on] == "No internet service") == (frame["InternetService"] == "No")).all()
    assert not ((frame["PhoneService"] == "No") & (frame["InternetService"] != "DSL")).any()


def test_price_follows_from_services(sample: TelcoSample) -> None:
    internet = pl.col("InternetService").replace_strict({"DSL": 25, "Fiber optic": 50, "No": 0})
    add_ons = [(pl.col(name) == "Yes") * (10 if "Streaming" in name else 5) for name in ADD_ONS]
    phone = (pl.col("PhoneService") == "Yes") * 20 + (pl.col("MultipleLines") == "Yes") * 5
    listed = sample.frame.select(pl.sum_horizontal(internet, phone, *add_ons)).to_series()
    assert (sample.frame["MonthlyCharges"] - listed).abs().to_numpy().max() <= 1.75 + 1e-9


@pytest.mark.parametrize("drift", [0.0, 1.0], ids="drift {}".format)
@pytest.mark.parametrize("seed", range(20), ids="seed {}".format)
def test_churn_rate_and_best_attainable_auc_are_kept(seed: int, drift: float) -> None:
    sample = generate_telco(seed=seed, drift=drift)
    left = _left(sample.frame)
    assert 0.25 <= left.mean() <= 0.28
    assert 0.83 <= roc_auc_score(left, sample.risk) <= 0.87


def test_churn_happens_as_often_as_the_risk_says(sample: TelcoSample) -> None:
    left = _left(sample.frame)
    assert sample.risk.mean() == pytest.approx(0.265, abs=1e-6)
    assert ((sample.risk > 0) & (sample.risk < 1)).all()
    for low in np.arange(0, 0.8, 0.1):
        group = (sample.risk >= low) & (sample.risk < low + 0.1)
        assert left[group].mean() == pytest.approx(sample.risk[group].mean(), abs=0.01)


def test_risk_can_be_learned(sample: TelcoSample) -> None:
    inputs = sample.frame.drop("customerID", "TotalCharges", "Churn")
    table = inputs.to_dummies([name for name, kind in inputs.schema.items() if kind == pl.String]).to_numpy()
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    left, trained, tested = _left(sample.frame), slice(0, 4930), slice(5987, None)
    model = LogisticRegression(C=0.1, max_iter=1000).fit(table[trained], left[trained])
    reached = roc_auc_score(left[tested], model.predict_proba(table[tested])[:, 1])
    assert reached >= 0.97 * roc_auc_score(left[tested], sample.risk[tested])


def test_same_arguments_give_the_same_rows() -> None:
    one, two = generate_telco(500, seed=3, drift=0.5), generate_telco(500, seed=3, drift=0.5)
    assert_frame_equal(one.frame, two.frame, check_exact=True)
    assert one.risk.tobytes() == two.risk.tobytes()


def test_rows_are_the_same_in_every_release() -> None:
    frame = generate_telco().frame
    assert frame.row(0) == PINNED_FIRST_ROW
    assert frame["MonthlyCharges"].sum() == pytest.approx(PINNED_CHARGES, abs=1e-6)
    assert frame["tenure"].sum() == PINNED_MONTHS


def test_other_seeds_give_other_customers() -> None:
    ids = [set(generate_telco(seed=seed).frame["customerID"]) for seed in (1, 2, 3)]
    assert not ids[0] & ids[1]
    assert not ids[0] & ids[2]
    assert not ids[1] & ids[2]


@pytest.mark.parametrize("drift", [-0.5, 0.25, 1.0], ids="drift {}".format)
def test_drift_moves_numbers_by_standard_deviations(drift: float) -> None:
    before, after = generate_telco().frame, generate_telco(drift=drift).frame
    for column, lost_at_the_lower_edge in (("MonthlyCharges", 0.8), ("tenure", 6.0)):
        old, new = before[column].to_numpy(), after[column].to_numpy()
        lost = lost_at_the_lower_edge if drift < 0 else 0.3
        assert new.mean() - old.mean() == pytest.approx(drift * old.std(), abs=lost), column


@pytest.mark.parametrize("drift", [-3.0, 0.7, 3.0, 50.0], ids="drift {}".format)
def test_drift_keeps_ranges_and_quirks(drift: float) -> None:
    before, after = generate_telco().frame, generate_telco(drift=drift).frame
    assert after.schema == before.schema
    assert after["tenure"].is_between(0, 120).all()
    assert (after["MonthlyCharges"] >= 0).all()
    assert ((after["TotalCharges"] == " ") == (after["tenure"] == 0)).all()
    assert ((after["tenure"] == 0) == (before["tenure"] == 0)).all()
    kept = ["customerID", "gender", "Contract", "InternetService", "Churn"]
    assert_frame_equal(after.select(kept), before.select(kept))


@pytest.mark.parametrize(
    ("column", "value"),
    [("SeniorCitizen", 1), ("Partner", "Yes"), ("PaperlessBilling", "Yes"), ("PaymentMethod", "Electronic check")],
    ids=str,
)
def test_drift_moves_shares(column: str, value: str | int) -> None:
    shares = [(generate_telco(drift=drift).frame[column] == value).to_numpy().mean() for drift in (0.0, 0.2, 1.0)]
    assert shares[1] == pytest.approx(1 - (1 - shares[0]) * np.exp(-0.2), abs=0.02)
    assert shares[2] == pytest.approx(1 - (1 - shares[0]) * np.exp(-1.0), abs=0.02)


def test_smallest_sample_has_every_quirk() -> None:
    sample = generate_telco(100)
    assert (sample.frame["TotalCharges"] == " ").sum() == 1
    assert sample.frame.height == len(sample.risk) == 100


def test_a_tenth_of_a_million_rows_keep_unique_ids() -> None:
    assert generate_telco(100_000).frame["customerID"].n_unique() == 100_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 99}, "at least 100 rows, not 99"),
        ({"rows": -1}, "at least 100 rows, not -1"),
        ({"seed": -1}, "seed must be 0 or more, not -1"),
        ({"drift": float("nan")}, "drift must be a finite number, not nan"),
        ({"drift": float("inf")}, "drift must be a finite number, not inf"),
    ],
    ids=["too few rows", "negative rows", "negative seed", "drift not a number", "endless drift"],
)
def test_impossible_samples_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        generate_telco(**arguments)
