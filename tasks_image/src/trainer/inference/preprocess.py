"""Inputs as numbers: imputation and encoding, fitted on training rows alone and the same at serving."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import Preprocess, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Matrix = npt.NDArray[np.float64]

MISSING = "is missing"
"""The category of missing values. Every other one starts with `=`, so no text in the data can be mistaken for it."""
UNKNOWN = -1
"""The code of a category that training did not see."""
FEW_ROWS = 8


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """Turns input columns into a matrix of floats; picklable.

    It does what scikit-learn's SimpleImputer, OneHotEncoder and OrdinalEncoder do (the tests compare them), in Polars:
    theirs take 5 ms for one row of 20 inputs, and a Python object for every text.
    """

    numeric: dict[str, float]
    """Numeric inputs, and what stands in for a missing number."""
    categorical: dict[str, pl.Enum]
    """Inputs of text, and the categories seen in training, sorted."""
    one_hot: bool
    """A column per category, else one column with the category's place in the order."""
    empty: frozenset[str] = frozenset()
    """Inputs that had no value in the rows of training: 0 in every row, so that they are neutral."""

    @functools.cached_property
    def names(self) -> list[str]:
        """One per column of the matrix: numeric inputs first, then those of categories, such as `contract=One year`."""
        if not self.one_hot:
            return [*self.numeric, *self.categorical]
        categories = ((name, text) for name, kind in self.categorical.items() for text in kind.categories)
        return [*self.numeric, *(_column_name(name, text) for name, text in categories)]

    def transform(self, frame: pl.DataFrame) -> Matrix:
        """The inputs of n rows as a C-contiguous float64 matrix, shape (n, len(names)).

        A category that training did not see gives zeros (one-hot) or -1 (ordinal). Raises DataValidationError if an
        input is absent, of another kind than in training, or infinite.
        """
        import numpy as np

        self._check(frame)
        matrix = np.empty((frame.height, len(self.names)))
        fill = self._fill_row_by_row if frame.height <= FEW_ROWS else self._fill_by_query
        fill(matrix, frame)
        for at, name in enumerate(self.numeric):
            if name in self.empty:
                matrix[:, at] = 0.0
        _refuse_infinite(matrix, list(self.numeric))
        return matrix

    def _fill_by_query(self, matrix: Matrix, frame: pl.DataFrame) -> None:
        """One query for all columns: each eager call on a Series costs as much as this does for a row."""
        columns = frame.select(self._query)
        begin = len(self.numeric)
        for part in (slice(begin), slice(begin, None)):  # what stands for texts is integers until it is copied
            if matrix[:, part].shape[1]:
                matrix[:, part] = columns[:, part].to_numpy()

    def _fill_row_by_row(self, matrix: Matrix, frame: pl.DataFrame) -> None:
        """A few rows are written by Python before a query has begun."""
        matrix[:] = 0.0
        for numbers, row in zip(matrix, frame.iter_rows(named=True), strict=True):
            for at, (name, stand_in) in enumerate(self.numeric.items()):
                value = row[name]
                numbers[at] = stand_in if value is None or value != value else value  # noqa: PLR0124  (NaN alone)
            for at, (name, places) in enumerate(zip(self.categorical, self._places, strict=True), len(self.numeric)):
                place = places.get(row[name], UNKNOWN)
                if not self.one_hot:
                    numbers[at] = place
                elif place != UNKNOWN:
                    numbers[place] = 1.0

    @functools.cached_property
    def _places(self) -> list[dict[str | None, int]]:
        """By input of text and by its text, the number that stands for it or the column of the matrix that is 1."""
        places, begin = [], len(self.numeric) if self.one_hot else 0
        for kind in self.categorical.values():
            texts = [None if text == MISSING else text.removeprefix("=") for text in kind.categories]
            places.append({text: begin + at for at, text in enumerate(texts)})
            begin += len(texts) if self.one_hot else 0
        return places

    @functools.cached_property
    def _query(self) -> list[pl.Expr]:
        """A column for each of the matrix: first the numeric inputs as floats, then integers for texts."""
        query = [_float(name).fill_null(stand_in) for name, stand_in in self.numeric.items()]
        for name, places in zip(self.categorical, self._places, strict=True):
            if self.one_hot:
                query += [_is(name, text) for text in places]
            else:
                query.append(_place(name, places))
        return [column.alias(str(at)) for at, column in enumerate(query)]

    def __getstate__(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _check(self, frame: pl.DataFrame) -> None:
        import polars as pl

        schema = frame.schema
        for name in (*self.numeric, *self.categorical):
            if name not in schema:
                raise _absent(name, frame.columns)
            kind, number = schema[name], name in self.numeric
            if kind != pl.Null and not (_is_number(kind) if number else _is_text(kind)):
                expected = "a number or boolean" if number else "a text"
                raise DataValidationError(
                    f"the input {name!r} was {expected} in training and is {kind} here; give it in the same type"
                )


def fit_preprocessor(
    spec: Preprocess, rows: pl.DataFrame | pl.LazyFrame, inputs: list[str], *, allow_empty: bool = False
) -> Preprocessor:
    """A preprocessor for the inputs, fitted on (training) rows; of lazy ones a column at a time is held in memory.

    Raises DataValidationError if there is no input, or one is absent, without values, infinite, or neither a number,
    a boolean nor a text. With `allow_empty`, as in a fold, an input without values is 0 in every row.
    """
    if not inputs:
        raise DataValidationError("there are no inputs to train on: every column is the id, the target or excluded")
    lazy = rows.lazy()
    schema = lazy.collect_schema()
    for name in inputs:
        if name not in schema:
            raise _absent(name, list(schema))
    numeric: dict[str, float] = {}
    categorical: dict[str, pl.Enum] = {}
    empty: set[str] = set()
    for name in inputs:
        column = lazy.select(name).collect()
        if allow_empty and _is_empty(column[name]) and _is_number(schema[name]):
            numeric[name] = 0.0
            empty.add(name)
            continue
        _check_usable(column[name], allow_empty=allow_empty)
        if _is_number(schema[name]):
            numeric[name] = _average(column, name, spec.numeric)
        else:
            categorical[name] = _categories(column, name)
    return Preprocessor(numeric, categorical, one_hot=spec.categorical == "one_hot", empty=frozenset(empty))


def _average(column: pl.DataFrame, name: str, kind: str) -> float:
    numbers = column.select(_float(name))
    _refuse_infinite(numbers.to_numpy(), [name])
    return float(numbers.select(getattr(_float(name), kind)()).item())


def _categories(column: pl.DataFrame, name: str) -> pl.Enum:
    import polars as pl

    return pl.Enum(column.unique().select(_text(name))[name].unique().sort())


def _column_name(column: str, category: str) -> str:
    return f"{column} {category}" if category == MISSING else f"{column}{category}"


def _absent(name: str, known: list[str]) -> DataValidationError:
    return DataValidationError(
        f"the input {name!r} is missing{did_you_mean(name, known)}; the model needs every input of its training"
    )


def _is_empty(values: pl.Series) -> bool:
    known = values.fill_nan(None) if values.dtype.is_float() else values
    return known.null_count() == len(values)


def _check_usable(values: pl.Series, *, allow_empty: bool) -> None:
    kind = values.dtype
    if _is_empty(values) and not allow_empty:
        raise DataValidationError(
            f"the input {values.name!r} has no value in any of {len(values)} training rows; "
            f"put it under columns.exclude"
        )
    if kind.is_temporal():
        raise DataValidationError(
            f"the input {values.name!r} is a {kind}: derive a number from it under features.derive, such as "
            f"extract(month from {values.name}), or put it under columns.exclude"
        )
    if not (_is_number(kind) or _is_text(kind)):
        raise DataValidationError(
            f"the input {values.name!r} is a {kind}, neither a number, a boolean nor a text; "
            f"put it under columns.exclude"
        )


def _is_number(kind: pl.DataType) -> bool:
    import polars as pl

    return kind.is_numeric() or kind == pl.Boolean


def _is_text(kind: pl.DataType) -> bool:
    import polars as pl

    return kind in (pl.String, pl.Categorical, pl.Enum)


def _float(name: str) -> pl.Expr:
    """As floats, true as 1; no number is a missing one."""
    import polars as pl

    return pl.col(name).cast(pl.Float64).fill_nan(None)


def _text(name: str) -> pl.Expr:
    """As `=text`, and missing ones as a text that has no `=` in front."""
    import polars as pl

    return (pl.lit("=") + pl.col(name).cast(pl.String)).fill_null(MISSING).alias(name)


def _place(name: str, places: dict[str | None, int]) -> pl.Expr:
    """The place of each text in their order; UNKNOWN where it has none."""
    import polars as pl

    value = pl.col(name).cast(pl.String)
    kind = pl.Enum([text for text in places if text is not None])
    place = value.cast(kind, strict=False).to_physical().cast(pl.Int64).fill_null(UNKNOWN)
    return pl.when(value.is_null()).then(places.get(None, UNKNOWN)).otherwise(place).cast(pl.Int64)


def _is(name: str, text: str | None) -> pl.Expr:
    """1 where a value is this text, else 0; without a text where it is missing."""
    import polars as pl

    value = pl.col(name).cast(pl.String)
    return (value.is_null() if text is None else value.eq_missing(text)).cast(pl.UInt8)


def _refuse_infinite(matrix: Matrix, names: list[str]) -> None:
    import numpy as np

    for place, name in enumerate(names):
        if infinite := int(np.isinf(matrix[:, place]).sum()):
            raise DataValidationError(
                f"the input {name!r} is infinite in {infinite} of {len(matrix)} rows; mend the source, or compute "
                f"it under features.derive, where a division by zero becomes missing"
            )
