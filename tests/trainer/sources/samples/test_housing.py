"""The built-in sample looks like the published file, and says how well a model can do on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import r2_score

from trainer.errors import ConfigurationError
from trainer.sources.samples.housing import HIGHEST_VALUE, LOWEST_VALUE, HousingSample, generate_housing

HEADER = (
    "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,median_income,"
    "median_house_value,ocean_proximity"
)
MEDIANS = {
    "longitude": -118.49, "latitude": 34.26, "housing_median_age": 29.0, "total_rooms": 2127.0, "total_bedrooms": 435.0,
    "population": 1166.0, "households": 409.0, "median_income": 3.53, "median_house_value": 179700.0,
}  # fmt: skip
SHARES = {"<1H OCEAN": 0.443, "INLAND": 0.317, "NEAR OCEAN": 0.129, "NEAR BAY": 0.111}
TOLERANCE = 0.2
"""Of a standard deviation."""
PINNED_ROW = (-118.42, 33.38, 24.0)


@pytest.fixture(scope="module", params=[42, 0, 7], ids="seed {}".format)
def sample(request: pytest.FixtureRequest) -> HousingSample:
    return generate_housing(seed=request.param)


def test_columns_and_size_are_the_published_ones(sample: HousingSample) -> None:
    assert ",".join(sample.frame.columns) == HEADER
    assert sample.frame.height == len(sample.expected) == 20640
    missing = {name: count for name, count in sample.frame.null_count().row(0, named=True).items() if count}
    assert missing.keys() == {"total_bedrooms"}
    assert 150 <= missing["total_bedrooms"] <= 270


def test_the_middle_of_each_column_is_near_the_published_one(sample: HousingSample) -> None:
    for name, published in MEDIANS.items():
        values = sample.frame[name].drop_nulls().to_numpy()
        assert abs(np.median(values) - published) <= TOLERANCE * values.std(), name


def test_districts_lie_as_the_published_ones_do(sample: HousingSample) -> None:
    frame = sample.frame
    shares = dict(frame["ocean_proximity"].value_counts(normalize=True).iter_rows())
    assert shares.keys() == {*SHARES, "ISLAND"}
    for kind, share in SHARES.items():
        assert shares[kind] == pytest.approx(share, abs=0.06)
    assert frame.filter(pl.col("ocean_proximity") == "ISLAND").height == 5
    assert frame["latitude"].is_between(32.54, 41.95).all()
    assert frame["longitude"].is_between(-124.4, -114.31).all()


def test_counts_belong_together(sample: HousingSample) -> None:
    frame = sample.frame.drop_nulls()
    assert frame.filter(pl.col("total_bedrooms") > pl.col("total_rooms")).is_empty()
    whole = frame.select("housing_median_age", "total_rooms", "total_bedrooms", "population", "households")
    assert all((column == column.round()).all() and (column >= 1).all() for column in whole)
    income, value = frame["median_income"].to_numpy(), frame["median_house_value"].to_numpy()
    assert np.corrcoef(income, value)[0, 1] == pytest.approx(0.688, abs=0.06)


def test_values_are_cut_off_and_mostly_explained(sample: HousingSample) -> None:
    value = sample.frame["median_house_value"]
    assert (value.min(), value.max()) >= (LOWEST_VALUE, HIGHEST_VALUE)
    assert value.max() == HIGHEST_VALUE
    assert 0.01 < (value == HIGHEST_VALUE).mean() < 0.05  # type: ignore[operator]
    assert 0.86 < r2_score(value.to_numpy(), sample.expected) < 0.91


def test_the_same_arguments_give_the_same_rows() -> None:
    first = generate_housing(rows=500, seed=3)
    assert_frame_equal(first.frame, generate_housing(rows=500, seed=3).frame)
    assert not first.frame.equals(generate_housing(rows=500, seed=4).frame)
    assert generate_housing().frame.row(0)[:3] == PINNED_ROW


def test_drift_moves_what_it_says_and_leaves_the_value() -> None:
    before, after = generate_housing(rows=5000), generate_housing(rows=5000, drift=0.5)
    for name in ("median_income", "housing_median_age"):
        was, is_now = before.frame[name].to_numpy(), after.frame[name].to_numpy()
        assert (is_now - was).mean() == pytest.approx(0.5 * was.std(), rel=0.15)
    unmoved = ["latitude", "total_rooms", "median_house_value", "ocean_proximity"]
    assert_frame_equal(before.frame.select(unmoved), after.frame.select(unmoved))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 99}, "needs at least 100 rows, not 99"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"drift": float("nan")}, "drift must be a finite number"),
    ],
)
def test_arguments_that_make_no_sample_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        generate_housing(**arguments)  # type: ignore[arg-type]


@pytest.mark.telco
def test_the_published_file_has_these_medians(project: Path) -> None:
    file = project / ".data" / "california_housing" / "housing.csv"
    if not file.exists():
        pytest.skip(f"{file} is not there: make data")
    published = pl.read_csv(file)
    found = {name: float(np.median(published[name].drop_nulls().to_numpy())) for name in MEDIANS}
    assert found == pytest.approx(MEDIANS, abs=0.01)
