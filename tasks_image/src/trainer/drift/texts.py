"""Figures of texts by which two sets of them are compared: lengths, letters, and the words that they consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.drift.effect_sizes import jensen_shannon_distance, population_stability_index
from trainer.drift.null import DRAWS, quantile
from trainer.errors import DataValidationError
from trainer.run.records import ColumnDrift

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from trainer.pipeline import Drift

    Array = NDArray[Any]

STATISTICS = ("characters", "words", "letters", "digits")
"""Length of each document in characters and words, and the shares of its characters that are letters or digits."""
DISTANCES = {"psi": population_stability_index, "jensen_shannon": jensen_shannon_distance}
MOST_WORDS, MOST_BUNDLES = 200, 5000
"""The commonest words, all others being counted as one; documents of a side that are handed out one by one."""
AT_ONCE = 200
WORD = r"\w+|[^\w\s]"


def text_statistics(rows: pl.LazyFrame, column: str) -> pl.DataFrame:
    """The statistics of texts (n rows)."""
    import polars as pl

    text = pl.col(column)
    characters = text.str.len_chars()
    return rows.select(
        characters.cast(pl.Float64).alias("characters"),
        text.str.count_matches(r"\S+").cast(pl.Float64).alias("words"),
        (text.str.count_matches(r"\p{L}") / characters.clip(1)).alias("letters"),
        (text.str.count_matches(r"\p{N}") / characters.clip(1)).alias("digits"),
    ).collect(engine="streaming")


def compare_words(reference: pl.LazyFrame, current: pl.LazyFrame, column: str, limits: Drift, seed: int) -> ColumnDrift:
    """Compare the shares of the commonest words; words do not depend on a tokenizer.

    A word that a document is about comes again and again in it, so words are not independent draws: what chance
    explains is seen by handing out whole documents to both sides at random (Fisher 1935).
    """
    import numpy as np

    counts, is_new = _counts(reference, current, column)
    random, whole = np.random.default_rng(seed), counts.sum(axis=0)
    found = {name: float(of(counts[~is_new].sum(axis=0), counts[is_new].sum(axis=0))) for name, of in DISTANCES.items()}
    dealt = []
    for _ in range(DRAWS // AT_ONCE):
        side = random.permuted(np.tile(is_new, (AT_ONCE, 1)), axis=1).astype(float) @ counts
        dealt.append({name: of(whole - side, side) for name, of in DISTANCES.items()})
    chance = {name: quantile(np.concatenate([one[name] for one in dealt])) for name in DISTANCES}
    thresholds = {name: max(float(getattr(limits, name)), chance[name]) for name in found}
    drifted = any(found[name] > thresholds[name] for name in found)
    return ColumnDrift(column=column, kind="categorical", statistics=found, thresholds=thresholds, drifted=drifted)


def _counts(reference: pl.LazyFrame, current: pl.LazyFrame, column: str) -> tuple[Array, Array]:
    """Return the counts of the commonest words, and of all others, in each document (n, words + 1); who is new (n,).

    Of many documents some count as one, at random, so that a few thousand are handed out.
    """
    import numpy as np
    import polars as pl

    sides = [_words(rows, column) for rows in (reference, current)]
    common = pl.concat(sides).group_by("word").agg(pl.col("times").sum()).sort("times", "word", descending=True)
    place = common.head(MOST_WORDS).select("word", place=pl.int_range(pl.len()))
    tables = []
    for side in sides:
        each = side.join(place, on="word", how="left").with_columns(pl.col("place").fill_null(place.height))
        table = np.zeros((int(each["bundle"].max()) + 1, place.height + 1))  # type: ignore[arg-type]
        np.add.at(table, (each["bundle"].to_numpy(), each["place"].to_numpy()), each["times"].to_numpy())
        tables.append(table)
    return np.concatenate(tables), np.repeat([False, True], [len(table) for table in tables])


def _words(rows: pl.LazyFrame, column: str) -> pl.DataFrame:
    """Count (`times`) each word in each bundle of documents. Raises DataValidationError if there is none."""
    import polars as pl

    number = pl.int_range(pl.len())
    text = pl.col(column).str.to_lowercase().str.extract_all(WORD)
    words = rows.select(
        (number.hash(seed=0) % MOST_BUNDLES).alias("hashed"), number.alias("number"), text.alias("word")
    )
    few = rows.select(pl.len()).collect().item() <= MOST_BUNDLES
    bundle = pl.col("number" if few else "hashed").cast(pl.Int64).alias("bundle")
    exploded = words.select(bundle, "word").explode("word").drop_nulls("word")
    found = exploded.group_by("bundle", "word").agg(pl.len().alias("times")).collect(engine="streaming")
    if found.is_empty():
        raise DataValidationError(f"drift: the texts in {column!r} have no words; there is nothing to compare")
    return found
