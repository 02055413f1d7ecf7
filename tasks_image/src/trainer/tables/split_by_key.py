"""Splits that draw a part for each row: by a hash of its key, or at random."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from trainer.pipeline import GivenSplit, GroupSplit, HashSplit, RandomSplit

    Rows = npt.NDArray[np.int64]

HASH_BYTES = 8
SALT_BYTES = 16
EXAMPLES = 5


def draw_by_hash(split: HashSplit | GroupSplit, keys: pl.Series) -> pl.Series:
    """Return the part of each row (n,): it follows from the key and the seed only, so later snapshots keep it.

    >>> import polars as pl
    >>> from trainer.pipeline import HashSplit
    >>> draw_by_hash(HashSplit(), pl.Series(["a", "b", "c"])).to_list()
    ['test', 'validation', 'validation']
    """
    import numpy as np
    import polars as pl

    place = np.digitize(_uniform(keys, split.seed), [split.test, split.test + split.validation])
    return pl.Series("__part__", np.array(["test", "validation", "train"])[place])


def draw_as_given(split: GivenSplit, keys: pl.Series, given: pl.Series | None) -> pl.Series:
    """Return the part of each row (n,): the test rows by the column `given` (n,), of the others some by a hash.

    Where the split names values of validation rows, these are chosen by the column as well.
    Raises DataValidationError without the column, or if none of its values is that of a test or a validation row.

    >>> import polars as pl
    >>> from trainer.pipeline import GivenSplit
    >>> split = GivenSplit(column="set", test_values=["t10k"])
    >>> draw_as_given(split, pl.Series(["a", "b", "c"]), pl.Series(["train", "train", "t10k"])).to_list()
    ['validation', 'train', 'test']
    """
    import numpy as np
    import polars as pl

    if given is None:
        raise DataValidationError(f"split.column: there is no column {split.column!r}")
    is_test = _named(split, "test_values", given, "judge by")
    if split.validation_values:
        is_validation = _named(split, "validation_values", given, "choose by")
    else:
        is_validation = _uniform(keys, split.seed) < split.validation
    others = np.where(is_validation, "validation", "train")
    return pl.Series("__part__", np.where(is_test, "test", others))


def draw_by_group(split: GroupSplit, groups: pl.Series) -> pl.Series:
    """Return the part of each row (n,): it follows from its group (n,) and the seed only, so later snapshots keep it.

    Raises DataValidationError if a group is missing.

    >>> import polars as pl
    >>> from trainer.pipeline import GroupSplit
    >>> draw_by_group(GroupSplit(column="team"), pl.Series("team", ["a", "b", "a"])).to_list()
    ['test', 'validation', 'test']
    """
    import polars as pl

    if groups.dtype.is_float():
        groups = groups.fill_nan(None)
    if missing := groups.null_count():
        raise DataValidationError(
            f"split.column: {split.column!r} is missing in {missing:,} of {len(groups):,} rows (first: row "
            f"{groups.is_null().arg_max() + 1}); fill it in the source, or leave those rows out by source.where"  # type: ignore[operator]
        )
    names = groups.cast(pl.String)
    distinct = names.unique()
    return names.replace_strict(distinct, draw_by_hash(split, distinct)).alias("__part__")


def _named(split: GivenSplit, field: str, given: pl.Series, use: str) -> npt.NDArray[np.bool_]:
    """Which rows (n,) have one of the values of a field. Raises DataValidationError if none has."""
    import polars as pl

    values = getattr(split, field)
    is_named: npt.NDArray[np.bool_] = given.cast(pl.String).is_in(values).fill_null(value=False).to_numpy()
    if not is_named.any():
        found = ", ".join(map(repr, given.unique().head(EXAMPLES).to_list()))
        raise DataValidationError(
            f"split.{field}: no row has {' or '.join(map(repr, values))} in {split.column!r}, so there "
            f"is none to {use}; found: {found}"
        )
    return is_named


def _uniform(keys: pl.Series, seed: int) -> npt.NDArray[np.float64]:
    """A number from 0 to 1 for each key (n,), which follows from the key and the seed alone."""
    import numpy as np

    salt = seed.to_bytes(SALT_BYTES, "little", signed=True)
    digests = (hashlib.blake2b(key.encode(), digest_size=HASH_BYTES, salt=salt).digest() for key in keys)
    drawn: npt.NDArray[np.float64] = np.frombuffer(b"".join(digests), dtype=">u8") / 2.0 ** (8 * HASH_BYTES)
    return drawn


def draw_at_random(split: RandomSplit, keys: pl.Series, labels: pl.Series | None) -> pl.Series:
    """Return the part of each row (n,) by scikit-learn's `train_test_split`, twice.

    First the test rows are drawn, then the validation rows from the rest.
    Raises DataValidationError if there are too few rows, or too few of a class.

    >>> import polars as pl
    >>> from trainer.pipeline import RandomSplit
    >>> draw_at_random(RandomSplit(test=0.25, validation=0.25), pl.Series(["a", "b", "c", "d"]), None).to_list()
    ['train', 'test', 'train', 'validation']
    """
    import numpy as np
    import polars as pl

    parts = np.full(len(keys), "train", dtype=object)
    rest, test = _split_off(split, np.arange(len(keys), dtype=np.int64), split.test, labels)
    _, validation = _split_off(split, rest, split.validation / (1 - split.test), labels)
    parts[test] = "test"
    parts[validation] = "validation"
    return pl.Series("__part__", parts.tolist(), dtype=pl.String)


def _split_off(split: RandomSplit, rows: Rows, share: float, labels: pl.Series | None) -> list[Rows]:
    from sklearn.model_selection import train_test_split

    classes = labels[rows].to_list() if split.stratify and labels is not None else None
    try:
        both: list[Rows] = train_test_split(rows, test_size=share, random_state=split.seed, stratify=classes)
    except ValueError as error:
        raise DataValidationError(
            f"split: {share:.0%} of {len(rows)} rows cannot be set aside: {error}; use more rows or larger shares"
        ) from error
    return both
