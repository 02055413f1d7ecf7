"""The built-in sample looks like the published file, and says how well a model can do on it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import mean_squared_error, r2_score

from trainer.errors import ConfigurationError
from trainer.sources.samples.bikes import PUBLISHED_ROWS, BikesSample, generate_bikes

HEADER = (
    "instant,dteday,season,yr,mnth,hr,holiday,weekday,workingday,weathersit,temp,atemp,hum,windspeed,casual,registered,"
    "cnt"
)
MEANS = {"temp": 0.497, "atemp": 0.476, "hum": 0.627, "windspeed": 0.190, "weathersit": 1.425, "casual": 35.7,
         "registered": 153.8, "cnt": 189.5}  # fmt: skip
SPREADS = {"temp": 0.193, "atemp": 0.172, "hum": 0.193, "windspeed": 0.122, "cnt": 181.4}
TOLERANCE = 0.12
"""Of a standard deviation."""
PINNED_ROW = (1, date(2011, 1, 1), 1, 0, 1, 0, 0, 6, 0)


@pytest.fixture(scope="module", params=[42, 0, 7], ids="seed {}".format)
def sample(request: pytest.FixtureRequest) -> BikesSample:
    return generate_bikes(seed=request.param)


def test_columns_and_size_are_the_published_ones(sample: BikesSample) -> None:
    frame = sample.frame
    assert ",".join(frame.columns) == HEADER
    assert frame.height == len(sample.expected) == PUBLISHED_ROWS
    assert (frame["dteday"].min(), frame["dteday"].max()) == (date(2011, 1, 1), date(2012, 12, 31))
    assert sum(frame.null_count().row(0)) == 0
    assert frame.select("dteday", "hr").is_unique().all()
    assert frame["instant"].to_list() == list(range(1, PUBLISHED_ROWS + 1))


def test_the_average_of_each_column_is_near_the_published_one(sample: BikesSample) -> None:
    for name, published in MEANS.items():
        values = sample.frame[name].to_numpy()
        assert abs(values.mean() - published) <= TOLERANCE * values.std(), name
    for name, published in SPREADS.items():
        assert sample.frame[name].std() == pytest.approx(published, rel=0.15), name


def test_figures_belong_together(sample: BikesSample) -> None:
    frame = sample.frame
    assert (frame["casual"] + frame["registered"] == frame["cnt"]).all()
    assert (frame.select("casual", "registered").min_horizontal() >= 0).all()
    assert (frame["cnt"] >= 1).all()
    for name, step in {"temp": 50, "atemp": 66, "hum": 100, "windspeed": 67}.items():
        steps = frame[name].to_numpy() * step
        assert np.abs(steps - steps.round()).max() < 0.01, name
        assert frame[name].is_between(0, 1).all()


def test_people_ride_as_they_did(sample: BikesSample) -> None:
    """At rush hours of working days, when it is warm and dry, and more in the second year."""

    def average(condition: pl.Expr) -> float:
        return float(sample.frame.filter(condition)["cnt"].mean())  # type: ignore[arg-type]

    rush, night = (average((pl.col("workingday") == 1) & (pl.col("hr") == hour)) for hour in (17, 3))
    assert rush == pytest.approx(525, rel=0.1)
    assert night == pytest.approx(5, abs=2)
    assert average(pl.col("yr") == 1) / average(pl.col("yr") == 0) == pytest.approx(1.63, abs=0.2)
    assert average(pl.col("mnth") == 7) > 1.7 * average(pl.col("mnth") == 1)
    assert average(pl.col("weathersit") == 3) < 0.7 * average(pl.col("weathersit") == 1)


def test_rentals_are_mostly_explained(sample: BikesSample) -> None:
    count = sample.frame["cnt"].to_numpy()
    assert 0.90 < r2_score(count, sample.expected) < 0.95
    assert 1500 < mean_squared_error(count[-1440:], sample.expected[-1440:]) < 4500


def test_the_same_arguments_give_the_same_rows() -> None:
    first = generate_bikes(rows=500, seed=3)
    assert first.frame.height == 500
    assert_frame_equal(first.frame, generate_bikes(rows=500, seed=3).frame)
    assert not first.frame.equals(generate_bikes(rows=500, seed=4).frame)
    assert generate_bikes().frame.row(0)[:9] == PINNED_ROW


def test_more_rows_than_were_published_go_on_in_later_years() -> None:
    later = generate_bikes(rows=30_000).frame
    assert later["dteday"].max() == date(2014, 6, 15)
    assert later["yr"].max() == 3
    assert later.filter(pl.col("yr") == 3)["cnt"].mean() < 300  # type: ignore[operator]


def test_drift_moves_what_it_says_and_leaves_the_rentals() -> None:
    before, after = generate_bikes(rows=5000), generate_bikes(rows=5000, drift=0.5)
    for name in ("temp", "hum"):
        was, is_now = before.frame[name].to_numpy(), after.frame[name].to_numpy()
        assert (is_now - was).mean() == pytest.approx(0.5 * was.std(), rel=0.15)
    unmoved = ["dteday", "hr", "windspeed", "weathersit", "cnt"]
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
        generate_bikes(**arguments)  # type: ignore[arg-type]


@pytest.mark.telco
def test_the_published_file_has_these_figures_and_this_calendar(project: Path) -> None:
    file = project / ".data" / "bikes" / "hour.csv"
    if not file.exists():
        pytest.skip(f"{file} is not there: make data")
    published = pl.read_csv(file, try_parse_dates=True)
    assert {name: published[name].mean() for name in MEANS} == pytest.approx(MEANS, abs=0.06)
    assert {name: published[name].std() for name in SPREADS} == pytest.approx(SPREADS, rel=0.01)
    calendar = ["dteday", "hr", "season", "yr", "mnth", "holiday", "weekday", "workingday"]
    both = published.select(calendar).join(generate_bikes().frame.select(calendar), on=["dteday", "hr"])
    assert both.height > 17_000
    for name in calendar[2:]:
        assert (both[name] == both[f"{name}_right"]).all(), name
