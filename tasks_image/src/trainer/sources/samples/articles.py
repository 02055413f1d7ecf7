"""The built-in sample of texts: short articles about invented towns, rivers and people, composed of set phrases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.sources.samples.arguments import check_arguments

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

PUBLISHED_ROWS = 400
SHARES = {"train": 0.7, "valid": 0.15, "test": 0.15}
FEWEST_SENTENCES, MOST_SENTENCES = 6, 24
OTHER_WORDS = 0.15
"""The share of words from another language for each standard deviation of drift."""

SYLLABLES = ("bar", "den", "el", "for", "gar", "hol", "in", "kel", "lo", "mar", "nor", "os", "pel", "ra", "sten", "ul")
ENDINGS = {"town": ("ham", "burg", "ton"), "river": ("a", "e", "ine"), "person": ("o", "us", "wen")}
SENTENCES = {
    "town": (
        "{name} is a town in the {side} of the country , on the river {other} .",
        "It was founded in {year} and has {count} thousand inhabitants .",
        "The {building} of {name} was built in {year} and burned down in {year} .",
        "Most people of {name} work in the {trade} trade .",
        "A market is held near the {building} on every {day} .",
    ),
    "river": (
        "The {name} is a river of {count} kilometres in the {side} of the country .",
        "It rises near {other} and flows to the {side} .",
        "Boats of the {trade} trade went down the {name} until {year} .",
        "In the flood of {year} the {name} carried away the {building} of {other} .",
        "The bridge over the {name} was opened on a {day} in {year} .",
    ),
    "person": (
        "{name} ( born {year} in {other} ) is known for the {trade} trade .",
        "{name} came to {other} in {year} and lived near the {building} .",
        "At the age of {count} {name} moved to the {side} of the country .",
        "The {building} of {other} bears the name of {name} since {year} .",
        "Each {day} {name} wrote a letter to a friend in {other} .",
    ),
}
WORDS = {
    "side": ("north", "south", "east", "west"),
    "building": ("church", "mill", "castle", "school", "town hall", "library"),
    "trade": ("wool", "salt", "timber", "fish", "copper"),
    "day": ("Monday", "Wednesday", "Friday", "Sunday"),
}


@dataclass(frozen=True)
class ArticlesSample:
    """Articles with their parts."""

    frame: pl.DataFrame


def generate_articles(rows: int, seed: int, drift: float) -> ArticlesSample:
    """So many articles, whose parts are called as in WikiText; with `drift` words of another language stand among them.

    They are learned within seconds, and tell nothing of how a model learns a real language.
    """
    import numpy as np
    import polars as pl

    check_arguments("articles", rows, seed, drift)
    random = np.random.default_rng(seed)
    valid, test = (round(rows * SHARES[part]) for part in ("valid", "test"))
    parts = ["train"] * (rows - valid - test) + ["valid"] * valid + ["test"] * test
    return ArticlesSample(
        pl.DataFrame({
            "id": [f"{part}/{place:06d}" for place, part in enumerate(parts)],
            "part": parts,
            "text": [_article(random, min(0.9, OTHER_WORDS * drift)) for _ in parts],
        })
    )


def _article(random: np.random.Generator, foreign: float) -> str:
    kind = str(random.choice([*SENTENCES]))
    name, first, other = _name(random, kind), SENTENCES[kind][0], "river" if kind == "town" else "town"
    count = int(random.integers(FEWEST_SENTENCES, MOST_SENTENCES))
    chosen = [first, *random.choice(SENTENCES[kind][1:], count)]
    body = " ".join(_filled(str(one), random, name, other) for one in chosen)
    if foreign:
        body = " ".join(_name(random, "person").lower() if random.random() < foreign else word for word in body.split())
    return f" = {name} = \n \n {body} \n"


def _filled(sentence: str, random: np.random.Generator, name: str, other: str) -> str:
    words = {kind: str(random.choice(choices)) for kind, choices in WORDS.items()}
    numbers = {"year": int(random.integers(1200, 1950)), "count": int(random.integers(20, 90))}
    return sentence.format(name=name, other=_name(random, other), **words, **numbers)


def _name(random: np.random.Generator, kind: str) -> str:
    return ("".join(random.choice(SYLLABLES, 2)) + str(random.choice(ENDINGS[kind]))).capitalize()
