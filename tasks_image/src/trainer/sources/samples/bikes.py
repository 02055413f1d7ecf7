"""The built-in sample of hours: a seeded generator like the rentals in Washington, of which the bikes file is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from trainer.sources.samples.arguments import check_arguments

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Floats = npt.NDArray[np.float64]
    Whole = npt.NDArray[np.int64]

PUBLISHED_ROWS = 17379
UNKNOWN_HOURS = 165 / PUBLISHED_ROWS
"""Hours that the file lacks, for each that it has."""
FIRST_DAY = date(2011, 1, 1)
HOLIDAYS = (
    "2011-01-17", "2011-02-21", "2011-04-15", "2011-05-30", "2011-07-04", "2011-09-05", "2011-10-10", "2011-11-11",
    "2011-11-24", "2011-12-26", "2012-01-02", "2012-01-16", "2012-02-20", "2012-04-16", "2012-05-28", "2012-07-04",
    "2012-09-03", "2012-10-08", "2012-11-12", "2012-11-22", "2012-12-25",
)  # fmt: skip
FREE_DAY = (
    91, 70, 53, 26, 8, 9, 19, 43, 106, 172, 256, 315, 366, 373, 365, 359, 353, 324, 281, 232, 175, 142, 116, 86,
)  # fmt: skip
WORKING_DAY = (
    37, 17, 9, 5, 5, 25, 102, 291, 477, 242, 135, 158, 201, 198, 184, 201, 293, 525, 492, 348, 250, 186, 138, 89,
)  # fmt: skip
"""Rentals in each hour of a day, on average; counted in the published file."""
LEVEL = 0.966
"""Brings the average to the published one."""
GROWTH = (0.52, 0.96)
"""How popular the bikes are at the beginning, and by how much more two years later."""
WEATHER = (1.06, 0.99, 0.62, 0.4)
"""What is left of the rentals when it is clear, misty, wet or stormy."""
WEATHER_BEGINS = (0.4, 1.4, 3.4)
"""Where each weather but the first begins, in standard deviations of wetness."""
DAY_NOISE, HOUR_NOISE = 0.13, 0.15
"""Of the logarithm of the rentals, as standard deviations: what nothing in the file explains."""
CASUAL = (0.32, 0.13)
"""The share of those who are not registered, on free and on working days."""
YEAR, DAY = 365.25, 24
TEMPERATURE_STEP, FELT_STEP, HUMIDITY_STEP, WIND_STEP = 1 / 50, 1 / 66, 1 / 100, 1 / 67
"""The published figures are whole numbers, divided by these limits."""


@dataclass(frozen=True)
class BikesSample:
    """Hours and the truth about them."""

    frame: pl.DataFrame
    """The seventeen published columns."""
    expected: Floats
    """Each hour's rentals but for noise; its R² against `cnt` is about the best attainable."""


class _Calendar(NamedTuple):
    day: Whole
    """Days since the first one."""
    hour: Whole
    year: Whole
    month: Whole
    weekday: Whole
    """From 0 for a Sunday."""
    season: Whole
    is_holiday: npt.NDArray[np.bool_]
    is_working: npt.NDArray[np.bool_]
    of_year: Floats
    """From 0 on the first of January to 1."""


class _Sky(NamedTuple):
    temperature: Floats
    felt: Floats
    humidity: Floats
    wind: Floats
    weather: Whole


def generate_bikes(rows: int = PUBLISHED_ROWS, seed: int = 42, drift: float = 0.0) -> BikesSample:
    """Draw hours from 2011 on; the same arguments give the same rows on every call and machine.

    `drift` moves temp and hum by that many standard deviations, within their ranges. Each hour keeps its rentals, so a
    model from before the drift is out of date, and one that is trained after it can be as good.
    Raises ConfigurationError for fewer than 100 rows, a negative seed or a drift that is not finite.
    """
    import numpy as np
    import polars as pl

    check_arguments("bikes", rows, seed, drift)
    random = np.random.Generator(np.random.PCG64(seed))
    hours = rows + round(rows * UNKNOWN_HOURS)
    known = np.sort(random.permutation(hours)[:rows])
    calendar, sky = _calendar(np.arange(hours)), _draw_sky(hours, random)
    expected = _expected(calendar, sky)
    rentals, casual = _draw_rentals(expected, calendar, random)
    frame = pl.DataFrame({
        "dteday": _dates(calendar.day),
        "season": calendar.season,
        "yr": calendar.year,
        "mnth": calendar.month,
        "hr": calendar.hour,
        "holiday": calendar.is_holiday.astype(int),
        "weekday": calendar.weekday,
        "workingday": calendar.is_working.astype(int),
        "weathersit": sky.weather,
        "temp": _drifted(sky.temperature, drift, 0.02, 1.0),
        "atemp": sky.felt,
        "hum": _drifted(sky.humidity, drift, 0.0, 1.0),
        "windspeed": sky.wind,
        "casual": casual,
        "registered": rentals - casual,
        "cnt": rentals,
    })
    return BikesSample(frame[known].with_row_index("instant", 1).cast({"instant": pl.Int64}), expected[known])


def _calendar(hours: Whole) -> _Calendar:
    import polars as pl

    day, hour = hours // DAY, hours % DAY
    dates = _dates(day).dt
    free = _dates(day).is_in([date.fromisoformat(text) for text in HOLIDAYS]).to_numpy()
    weekday = dates.weekday().to_numpy().astype(int) % 7
    of_year = dates.ordinal_day().to_numpy() / YEAR
    in_year = (dates.month().cast(pl.Int64) * 100 + dates.day()).to_numpy()
    season = 1 + sum((in_year >= begin).astype(int) for begin in (321, 621, 923)) * (in_year < 1221)  # noqa: PLR2004
    return _Calendar(
        day, hour, dates.year().to_numpy().astype(int) - FIRST_DAY.year, dates.month().to_numpy().astype(int), weekday,
        season, free, (weekday > 0) & (weekday < 6) & ~free, of_year,  # noqa: PLR2004
    )  # fmt: skip


def _dates(days: Whole) -> pl.Series:
    import polars as pl

    return pl.Series("dteday", days + FIRST_DAY.toordinal() - date(1970, 1, 1).toordinal()).cast(pl.Int32).cast(pl.Date)


def _draw_sky(hours: int, random: np.random.Generator) -> _Sky:
    import numpy as np

    at = np.arange(hours)
    warmth = -np.cos(2 * np.pi * (at / DAY / YEAR - 0.06))
    afternoon = -np.cos(2 * np.pi * (at % DAY - 3) / DAY)
    wetness = _slow(hours, 18, random)
    temperature = 0.505 + 0.24 * warmth + 0.045 * afternoon + 0.075 * _slow(hours, 96, random) - 0.01 * wetness
    wind = np.exp(-1.62 + 0.1 * afternoon + 0.5 * (0.8 * _slow(hours, 6, random) + 0.6 * random.standard_normal(hours)))
    wind = np.where(random.random(hours) < 0.125, 0, wind)  # noqa: PLR2004  (a still hour of eight)
    humidity = 0.625 - 0.11 * afternoon + 0.15 * wetness + 0.08 * random.standard_normal(hours)
    temperature = _in_steps(temperature, TEMPERATURE_STEP, 0.02, 1.0)
    felt = 0.93 * temperature + 0.014 + 0.012 * random.standard_normal(hours)
    return _Sky(
        temperature,
        _in_steps(felt, FELT_STEP, 0.0, 1.0),
        _in_steps(humidity, HUMIDITY_STEP, 0.08, 1.0),
        _in_steps(wind, WIND_STEP, 0.0, 0.8507),
        1 + np.digitize(wetness, WEATHER_BEGINS),
    )


def _slow(hours: int, span: int, random: np.random.Generator) -> Floats:
    """Standard normal numbers of which neighbours are alike: sums over so many hours."""
    import numpy as np

    steps = np.concatenate([[0.0], np.cumsum(random.standard_normal(hours + span - 1))])
    return np.asarray((steps[span:] - steps[:-span]) / np.sqrt(span))


def _expected(calendar: _Calendar, sky: _Sky) -> Floats:
    """Each hour's rentals, but for noise."""
    import numpy as np

    usual = np.where(calendar.is_working, np.array(WORKING_DAY)[calendar.hour], np.array(FREE_DAY)[calendar.hour])
    growth = GROWTH[0] + GROWTH[1] * np.minimum(calendar.day / (2 * YEAR), 1)
    warm = 2.1 * (np.minimum(sky.temperature, 0.68) - 0.5) - 1.5 * np.maximum(sky.temperature - 0.74, 0)
    autumn = 0.12 * np.sin(2 * np.pi * (calendar.of_year - 0.5))
    level = warm - autumn - 0.35 * (sky.humidity - 0.63) - 0.25 * (sky.wind - 0.19)
    return np.asarray(LEVEL * usual * growth * np.array(WEATHER)[sky.weather - 1] * np.exp(level))


def _draw_rentals(expected: Floats, calendar: _Calendar, random: np.random.Generator) -> tuple[Whole, Whole]:
    """All rentals of each hour, and those of people who are not registered."""
    import numpy as np

    of_day = DAY_NOISE * random.standard_normal(int(calendar.day[-1]) + 1)[calendar.day]
    noise = of_day + HOUR_NOISE * random.standard_normal(expected.size)
    rentals = np.maximum(1, random.poisson(expected * np.exp(noise - (DAY_NOISE**2 + HOUR_NOISE**2) / 2)))
    return rentals, random.binomial(rentals, np.where(calendar.is_working, CASUAL[1], CASUAL[0]))


def _in_steps(values: Floats, step: float, lowest: float, highest: float) -> Floats:
    import numpy as np

    return np.asarray(np.round(np.clip(np.rint(values / step) * step, lowest, highest), 4))


def _drifted(values: Floats, drift: float, lowest: float, highest: float) -> Floats:
    import numpy as np

    return np.asarray(np.round(np.clip(values + drift * values.std(), lowest, highest), 2))
