"""The built-in sample of districts: a seeded generator like the census of 1990, of which the housing file is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from trainer.sources.samples.arguments import check_arguments

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Floats = npt.NDArray[np.float64]
    Texts = npt.NDArray[np.str_]

PUBLISHED_ROWS = 20640
LOWEST_VALUE, HIGHEST_VALUE = 14_999.0, 500_001.0
"""Dollars; the file was cut off at both."""
BEDROOMS_UNKNOWN = 207 / PUBLISHED_ROWS
ON_ISLANDS = 5 / PUBLISHED_ROWS
ISLAND = (33.38, -118.42)
WIDTH = 0.8
"""A degree of longitude in degrees of latitude, in California."""
NOISE = 0.17
"""Of the logarithm of a district's value, as a standard deviation: what nothing in the file explains."""


class Town(NamedTuple):
    """Where districts lie; fitted to the published file by counting."""

    share: float
    latitude: float
    longitude: float
    spread: float
    """In degrees, as a standard deviation."""
    dear: float
    """What its middle adds to the logarithm of a value."""


TOWNS = (
    Town(0.33, 34.03, -118.25, 0.17, 0.45),
    Town(0.09, 33.77, -117.90, 0.12, 0.35),
    Town(0.08, 32.80, -117.10, 0.14, 0.25),
    Town(0.07, 34.02, -117.40, 0.25, -0.15),
    Town(0.15, 37.75, -122.25, 0.18, 0.55),
    Town(0.06, 37.33, -121.92, 0.12, 0.60),
    Town(0.07, 38.58, -121.42, 0.25, -0.10),
    Town(0.05, 36.75, -119.75, 0.45, -0.35),
    Town(0.03, 35.37, -119.00, 0.35, -0.40),
    Town(0.04, 34.35, -119.40, 0.30, 0.30),
    Town(0.03, 39.70, -121.80, 0.80, -0.35),
)
COAST = (
    (32.54, -117.12), (33.00, -117.28), (33.60, -117.92), (33.73, -118.35), (34.03, -118.75), (34.40, -119.75),
    (34.48, -120.50), (35.20, -120.75), (36.55, -121.95), (37.10, -122.30), (37.80, -122.51), (38.95, -123.73),
    (40.44, -124.40), (41.95, -124.20),
)  # fmt: skip
"""Latitude and longitude of the shore, from the south."""
BAY, BAY_RADIUS = (37.75, -122.25), 0.42
SHORE, COASTAL_HOUR = 0.12, 0.65
"""Up to how many degrees from the shore a district is near the ocean, or less than an hour away."""


@dataclass(frozen=True)
class HousingSample:
    """Districts and the truth about them."""

    frame: pl.DataFrame
    """The ten published columns; `total_bedrooms` is missing in one row of a hundred."""
    expected: Floats
    """Each row's value but for noise, in dollars; its R² against `median_house_value` is about the best attainable."""


def generate_housing(rows: int = PUBLISHED_ROWS, seed: int = 42, drift: float = 0.0) -> HousingSample:
    """Draw districts; the same arguments give the same rows on every call and machine.

    `drift` moves median_income and housing_median_age by that many standard deviations, within their ranges. Each row
    keeps its value, so a model from before the drift is out of date, and one that is trained after it can be as good.
    Raises ConfigurationError for fewer than 100 rows, a negative seed or a drift that is not finite.
    """
    import numpy as np
    import polars as pl

    check_arguments("housing", rows, seed, drift)
    random = np.random.Generator(np.random.PCG64(seed))
    latitude, longitude, dear = _draw_places(rows, random)
    income = np.clip(3.45 * np.exp(0.45 * random.standard_normal(rows) + 0.2 * dear), 0.4999, 15.0001)
    age = np.clip(np.rint(29 + 8 * dear + 12.5 * random.standard_normal(rows)), 1, 52)
    houses = _draw_houses(income, age, random)
    proximity = _proximity(latitude, longitude)
    expected = _expected(income, age, houses, dear, _from_shore(latitude, longitude))
    values = expected * np.exp(NOISE * random.standard_normal(rows) - NOISE**2 / 2)
    unknown = random.random(rows) < BEDROOMS_UNKNOWN
    frame = pl.DataFrame({
        "longitude": np.round(longitude, 2),
        "latitude": np.round(latitude, 2),
        "housing_median_age": _drifted(age, drift, 1, 52, 0),
        **houses,
        "median_income": _drifted(income, drift, 0.4999, 15.0001, 4),
        "median_house_value": _cut(values),
        "ocean_proximity": proximity,
    })
    bedrooms = pl.when(pl.Series(unknown)).then(None).otherwise(pl.col("total_bedrooms"))
    return HousingSample(frame.with_columns(bedrooms.alias("total_bedrooms")), _cut(expected))


def _draw_places(rows: int, random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Latitude, longitude and how dear each place is, (rows,) each."""
    import numpy as np

    shares = np.array([town.share for town in TOWNS])
    chosen = random.choice(len(TOWNS), size=rows, p=shares / shares.sum())
    spread = np.array([town.spread for town in TOWNS])[chosen]
    latitude = np.array([town.latitude for town in TOWNS])[chosen] + spread * random.standard_normal(rows)
    longitude = np.array([town.longitude for town in TOWNS])[chosen] + spread * random.standard_normal(rows) / WIDTH
    latitude = np.clip(latitude, COAST[0][0], COAST[-1][0])
    shore = _shore(latitude)
    longitude = np.clip(np.where(longitude < shore, 2 * shore - longitude, longitude), None, -114.31)
    island = np.arange(rows) < round(rows * ON_ISLANDS)
    latitude, longitude = np.where(island, ISLAND[0], latitude), np.where(island, ISLAND[1], longitude)
    dear = np.zeros(rows)
    for town in TOWNS:
        away = np.hypot(latitude - town.latitude, WIDTH * (longitude - town.longitude))
        dear += town.dear * np.exp(-((away / (2 * town.spread)) ** 2))
    return latitude, longitude, dear


def _shore(latitude: Floats) -> Floats:
    import numpy as np

    latitudes, longitudes = np.transpose(COAST)
    return np.asarray(np.interp(latitude, latitudes, longitudes))


def _from_shore(latitude: Floats, longitude: Floats) -> Floats:
    return WIDTH * (longitude - _shore(latitude))


def _proximity(latitude: Floats, longitude: Floats) -> Texts:
    import numpy as np

    inland = _from_shore(latitude, longitude)
    in_bay = np.hypot(latitude - BAY[0], WIDTH * (longitude - BAY[1])) < BAY_RADIUS
    kinds = [inland < 0, in_bay, inland < SHORE, inland < COASTAL_HOUR]
    return np.select(kinds, ["ISLAND", "NEAR BAY", "NEAR OCEAN", "<1H OCEAN"], "INLAND")


def _draw_houses(income: Floats, age: Floats, random: np.random.Generator) -> dict[str, Floats]:
    """The four counts of each district, (rows,) each, whole numbers."""
    import numpy as np

    rows = len(income)
    households = np.clip(np.rint(np.exp(6.03 - 0.008 * (age - 29) + 0.62 * random.standard_normal(rows))), 1, 6082)
    rooms = 5.1 * (income / 3.5) ** 0.35 * np.exp(0.15 * random.standard_normal(rows))
    bedrooms = 0.21 * (income / 3.5) ** -0.25 * np.exp(0.12 * random.standard_normal(rows))
    people = 2.85 * (income / 3.5) ** -0.05 * np.exp(0.25 * random.standard_normal(rows))
    total_rooms = np.maximum(2, np.rint(households * rooms))
    return {
        "total_rooms": total_rooms,
        "total_bedrooms": np.maximum(1, np.rint(total_rooms * np.minimum(bedrooms, 1))),
        "population": np.maximum(3, np.rint(households * people)),
        "households": households,
    }


def _expected(income: Floats, age: Floats, houses: dict[str, Floats], dear: Floats, from_shore: Floats) -> Floats:
    """Each district's value in dollars, but for noise."""
    import numpy as np

    crowd = houses["population"] / houses["households"]
    level = 0.75 * np.log(income / 3.5) - 0.45 * np.log(crowd / 2.8) + 0.004 * (age - 29) + dear
    return np.asarray(129_000 * np.exp(level + 0.45 * np.exp(-np.abs(from_shore) / 0.25)))


def _cut(values: Floats) -> Floats:
    """As published: in hundreds of dollars, and cut off at both ends."""
    import numpy as np

    return np.asarray(np.clip(np.round(values, -2), LOWEST_VALUE, HIGHEST_VALUE))


def _drifted(values: Floats, drift: float, lowest: float, highest: float, digits: int) -> Floats:
    import numpy as np

    return np.asarray(np.round(np.clip(values + drift * values.std(), lowest, highest), digits))
