"""Inputs as numbers: imputation and encoding, fitted on training rows alone and the same at serving."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.inference.categories import UNKNOWN, code_of, code_of_others, codes_by_text, column_name, fit_categories
from trainer.inference.target_encoding import encodings, shift_of, target_sums
from trainer.pipeline import Preprocess, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    from trainer.pipeline import Encoding

    Matrix = npt.NDArray[np.float64]

FEW_ROWS = 8
MOST_ONE_HOT, MOST_CELLS = 1000, 50_000_000
"""More columns than that, in a matrix of more numbers than that (400 MB), are refused: each fold holds one."""


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """Turns input columns into a matrix of floats; picklable.

    It does what scikit-learn's SimpleImputer, StandardScaler, OneHotEncoder, OrdinalEncoder and TargetEncoder do (the
    tests compare them), in Polars: theirs take 5 ms for one row of 20 inputs, and a Python object for every text.
    """

    numeric: dict[str, float]
    """Numeric inputs, and what stands in for a missing number."""
    categorical: dict[str, pl.Enum]
    """Inputs of text, and the categories seen in training, sorted."""
    encoding: Encoding = "one_hot"
    encodings: dict[str, Matrix] = field(default_factory=dict)
    """Of target encoding, the numbers (k) of each category of an input, and last those of an unseen one."""
    scaling: tuple[Matrix, Matrix] | None = None
    """Mean and standard deviation by which each column of the matrix is scaled; 0 and 1 for those that are not."""
    empty: frozenset[str] = frozenset()
    """Inputs that had no value in the rows of training: 0 in every row, so that they are neutral."""

    @functools.cached_property
    def widths(self) -> dict[str, int]:
        """Columns of the matrix by input: numeric inputs first, then those of text."""
        return dict.fromkeys(self.numeric, 1) | {name: self._width(name) for name in self.categorical}

    @functools.cached_property
    def names(self) -> list[str]:
        """One per column of the matrix: numeric inputs first, then those of categories, such as `contract=One year`."""
        return [*self.numeric, *(column for name in self.categorical for column in self._columns_of(name))]

    @functools.cached_property
    def is_category(self) -> tuple[bool, ...]:
        """True for each column of the matrix that holds codes which the algorithm itself handles as categories."""
        native = self.encoding == "native"
        return tuple(native and name in self.categorical for name, width in self.widths.items() for _ in range(width))

    def transform(self, frame: pl.DataFrame) -> Matrix:
        """The inputs of n rows as a C-contiguous float64 matrix, shape (n, len(names)).

        A category that training did not see gives zeros (one-hot), -1 (ordinal), a missing value (native) or the mean
        of all targets (target), unless some categories are rare: then it is one of them. Raises DataValidationError if
        an input is absent, of another kind than in training, or infinite.
        """
        import numpy as np

        self._check(frame)
        matrix = np.zeros((frame.height, len(self.names)))
        fill = self._fill_row_by_row if frame.height <= FEW_ROWS else self._fill_by_query
        fill(matrix, frame)
        for at, name in enumerate(self.numeric):
            if name in self.empty:
                matrix[:, at] = 0.0
        _refuse_infinite(matrix, list(self.numeric))
        if self.scaling is not None:
            matrix -= self.scaling[0]
            matrix /= self.scaling[1]
        return matrix

    def codes(self, frame: pl.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
        """Return the codes (n,) of the categories of each input of text; see `code_of`."""
        found = frame.select(code_of(name, categories) for name, categories in self.categorical.items())
        return {name: found[name].to_numpy() for name in self.categorical}

    def _fill_by_query(self, matrix: Matrix, frame: pl.DataFrame) -> None:
        """One query for all columns: each eager call on a Series costs as much as this does for a row."""
        columns = frame.select(self._query)
        begin = len(self.numeric)
        if begin:
            matrix[:, :begin] = columns[:, :begin].to_numpy()
        for at, name in enumerate(self.categorical):
            width = self.widths[name]
            self._encode(matrix[:, begin : begin + width], name, columns.to_series(len(self.numeric) + at).to_numpy())
            begin += width

    def _encode(self, part: Matrix, name: str, codes: npt.NDArray[np.int64]) -> None:
        """Write what stands for the codes (n,) into an input's part of the matrix, which holds zeros."""
        if self.encoding == "one_hot":
            known = (codes != UNKNOWN).nonzero()[0]
            part[known, codes[known]] = 1.0
        elif self.encoding == "target":
            part[:] = self.encodings[name][codes]  # UNKNOWN is -1: the last row
        else:
            part[:, 0] = codes
            if self.encoding == "native":
                part[codes == UNKNOWN, 0] = math.nan

    def _fill_row_by_row(self, matrix: Matrix, frame: pl.DataFrame) -> None:
        """A few rows are written by Python before a query has begun."""
        for numbers, row in zip(matrix, frame.iter_rows(named=True), strict=True):
            for at, (name, stand_in) in enumerate(self.numeric.items()):
                value = row[name]
                numbers[at] = stand_in if value is None or value != value else value  # noqa: PLR0124  (NaN alone)
            for name, begin, width, codes, others in self._text_inputs:
                self._encode_one(numbers[begin : begin + width], name, codes.get(row[name], others))

    def _encode_one(self, part: Matrix, name: str, code: int) -> None:
        if self.encoding == "target":
            part[:] = self.encodings[name][code]
        elif self.encoding != "one_hot":
            part[0] = math.nan if self.encoding == "native" and code == UNKNOWN else code
        elif code != UNKNOWN:
            part[code] = 1.0

    @functools.cached_property
    def _text_inputs(self) -> list[tuple[str, int, int, dict[str | None, int], int]]:
        """By input of text: its name, its first column and their number, its codes by text, and that of other texts."""
        found, begin = [], len(self.numeric)
        for name, kind in self.categorical.items():
            found.append((name, begin, self.widths[name], codes_by_text(kind), code_of_others(kind)))
            begin += self.widths[name]
        return found

    @functools.cached_property
    def _query(self) -> list[pl.Expr]:
        """A column for each input: first the numeric inputs as floats, then the codes of texts."""
        query = [_float(name).fill_null(stand_in) for name, stand_in in self.numeric.items()]
        query += [code_of(name, kind) for name, kind in self.categorical.items()]
        return [column.alias(str(at)) for at, column in enumerate(query)]

    def _width(self, name: str) -> int:
        if self.encoding == "one_hot":
            return len(self.categorical[name].categories)
        return int(self.encodings[name].shape[1]) if self.encoding == "target" else 1

    def _columns_of(self, name: str) -> list[str]:
        if self.encoding == "one_hot":
            return [column_name(name, category) for category in self.categorical[name].categories]
        width = self.widths[name]
        return [name] if width == 1 else [f"{name} (class {code})" for code in range(width)]

    def __getstate__(self) -> dict[str, object]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

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
    spec: Preprocess,
    rows: pl.DataFrame | pl.LazyFrame,
    inputs: list[str],
    targets: Matrix | None = None,
    *,
    allow_empty: bool = False,
) -> Preprocessor:
    """A preprocessor for the inputs, fitted on (training) rows; of lazy ones a column at a time is held in memory.

    `targets` (n, k), see `target_columns`, are what target encoding needs. Raises DataValidationError without inputs,
    or if one is absent, without values, infinite, or neither a number, a boolean nor a text, or if one-hot columns of
    many categories would fill the memory. With `allow_empty`, as in a fold, an input without values is 0 in every row.
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
    numbers: dict[str, Matrix] = {}
    moments: dict[str, tuple[Matrix, Matrix]] = {}
    for name in inputs:
        column = lazy.select(name).collect()
        if allow_empty and _is_empty(column[name]) and _is_number(schema[name]):
            numeric[name] = 0.0
            empty.add(name)
            continue
        _check_usable(column[name], allow_empty=allow_empty)
        if _is_number(schema[name]):
            numeric[name] = _average(column, name, spec.numeric)
            moments[name] = _moments(column.select(_float(name).fill_null(numeric[name])).to_numpy())
            continue
        categorical[name] = kind = fit_categories(column, name, spec.rare)
        if spec.categorical in ("target", "ordinal"):
            codes = column.select(code_of(name, kind)).to_series().to_numpy()
            if spec.categorical == "target":
                numbers[name] = _target_encodings(codes, targets, len(kind.categories))
            moments[name] = _moments(numbers[name][codes] if name in numbers else codes.reshape(-1, 1))
    fitted = Preprocessor(numeric, categorical, spec.categorical, numbers, empty=frozenset(empty))
    _refuse_wide(fitted, lazy)
    return replace(fitted, scaling=_scaling(fitted, moments)) if spec.numeric_scaling == "standard" else fitted


def _target_encodings(codes: npt.NDArray[np.int64], targets: Matrix | None, size: int) -> Matrix:
    if targets is None:
        raise ValueError("target encoding is fitted with the targets of the rows")
    shift = shift_of(targets)
    return encodings(target_sums(codes, targets - shift, size), shift)


def _moments(columns: Matrix) -> tuple[Matrix, Matrix]:
    """Mean and standard deviation of columns (n, k), each (k,); 1 in place of the deviation of constant columns."""
    import numpy as np

    spread = columns.std(axis=0)
    return columns.mean(axis=0), np.where(spread > 0, spread, 1.0)


def _scaling(fitted: Preprocessor, moments: dict[str, tuple[Matrix, Matrix]]) -> tuple[Matrix, Matrix]:
    import numpy as np

    plain = {name: (np.zeros(width), np.ones(width)) for name, width in fitted.widths.items()}
    both = [moments.get(name, plain[name]) for name in fitted.widths]
    return np.concatenate([mean for mean, _ in both]), np.concatenate([spread for _, spread in both])


def _refuse_wide(fitted: Preprocessor, rows: pl.LazyFrame) -> None:
    """Raise DataValidationError if the matrix of one-hot columns would fill the memory."""
    import polars as pl

    if len(fitted.names) <= MOST_ONE_HOT:
        return
    cells = len(fitted.names) * int(rows.select(pl.len()).collect().item())
    if fitted.encoding == "one_hot" and cells > MOST_CELLS:
        widest = sorted(fitted.categorical, key=lambda name: -fitted.widths[name])[:3]
        raise DataValidationError(
            f"preprocess.categorical: one_hot makes {len(fitted.names):,} columns of the inputs, {8 * cells / 1e9:.1f} "
            "GB for the training rows ("
            + ", ".join(f"{name!r} has {fitted.widths[name]:,} categories" for name in widest)
            + "); set it to target, or to native with lightgbm and xgboost, gather rare categories by preprocess.rare, "
            "or put the column under columns.exclude"
        )


def _average(column: pl.DataFrame, name: str, kind: str) -> float:
    numbers = column.select(_float(name))
    _refuse_infinite(numbers.to_numpy(), [name])
    return float(numbers.select(getattr(_float(name), kind)()).item())


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


def _refuse_infinite(matrix: Matrix, names: list[str]) -> None:
    import numpy as np

    for place, name in enumerate(names):
        if infinite := int(np.isinf(matrix[:, place]).sum()):
            raise DataValidationError(
                f"the input {name!r} is infinite in {infinite} of {len(matrix)} rows; fix the source, or compute "
                f"it under features.derive, where a division by zero becomes missing"
            )
