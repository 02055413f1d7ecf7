"""The built-in samples, by name: seeded generators that stand in for data that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trainer.sources.samples import articles, bikes, digits, housing, telco

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl


class Sample(NamedTuple):
    """A generator, and as many rows as the published file has."""

    published_rows: int
    generate: Callable[
        [int, int, float],
        telco.TelcoSample | housing.HousingSample | bikes.BikesSample | digits.DigitsSample | articles.ArticlesSample,
    ]


SAMPLES = {
    "telco": Sample(telco.PUBLISHED_ROWS, telco.generate_telco),
    "housing": Sample(housing.PUBLISHED_ROWS, housing.generate_housing),
    "bikes": Sample(bikes.PUBLISHED_ROWS, bikes.generate_bikes),
    "articles": Sample(articles.PUBLISHED_ROWS, articles.generate_articles),
    "digits": Sample(digits.PUBLISHED_ROWS, digits.generate_digits),
}


def generate_sample(name: str, rows: int, seed: int, drift: float) -> pl.DataFrame:
    """The published columns of a sample. Raises ConfigurationError for arguments that its generator refuses."""
    return SAMPLES[name].generate(rows, seed, drift).frame
