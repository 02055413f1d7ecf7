"""A fitted pipeline: feature expressions, preprocessing and estimator as one object.

It travels inside the served model, so it imports nothing but what serving needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from trainer.errors import DataValidationError
from trainer.inference.features import check_expressions, columns_used, fit_features, names_used
from trainer.inference.labels import as_label
from trainer.inference.preprocess import fit_preprocessor

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy as np
    import polars as pl

    from trainer.inference.features import FittedFeatures
    from trainer.inference.preprocess import Preprocessor
    from trainer.pipeline import Features, Preprocess
    from trainer.tables.row_subset import ChosenRows

DEFAULT_CUT_OFF = 0.5


class Preparation(Protocol):
    """Turns raw columns into what an estimator takes; fitted on training rows alone."""

    @property
    def inputs(self) -> dict[str, str]:
        """Raw columns that the model takes, and their Polars types."""

    @property
    def constants(self) -> Mapping[str, float | str | bool | None]:
        """The constants of feature expressions; empty where there are none."""

    def transform(self, frame: pl.DataFrame) -> Any:
        """Raw columns (n rows) as the estimator takes them. Raises DataValidationError where they are unusable."""


@dataclass(frozen=True)
class TabularPreparation:
    """Turns raw columns into the numbers that an estimator takes."""

    inputs: dict[str, str]
    """Raw columns and their Polars types, those that only expressions read among them."""
    features: FittedFeatures
    preprocessor: Preprocessor
    optional: frozenset[str] = frozenset()
    """Raw columns of which training rows lacked values: without the column, every row lacks one."""

    @property
    def constants(self) -> Mapping[str, float | str | bool | None]:
        """The constants that the feature expressions were fitted to."""
        return self.features.constants

    def transform(self, frame: pl.DataFrame) -> np.ndarray:
        """Raw columns (n rows) as floats (n, m). Raises DataValidationError where a column is missing or unusable."""
        return self.preprocessor.transform(self.inputs_of(frame))

    def inputs_of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Raw columns (n rows) as the estimator's inputs (n rows), before they become numbers."""
        return self.features.transform(as_declared(frame, self.inputs, self.optional))


def fit_preparation(
    features: Features,
    preprocess: Preprocess,
    training: pl.DataFrame | pl.LazyFrame,
    not_inputs: Collection[str] = (),
    targets: np.ndarray | None = None,
    *,
    allow_empty: bool = False,
) -> TabularPreparation:
    """Fit feature constants, imputers and encoders on training rows that hold raw inputs and what expressions read.

    Of lazy rows a column at a time is held in memory, beside those that expressions use.
    `targets` (n, k), see `target_columns`, are for target encoding.
    Columns that are `not_inputs`, and dates, reach the estimator only through the expressions that use them.
    With `allow_empty`, an input without a value in these rows is the same for every row.
    """
    import polars as pl

    rows = training.lazy()
    schema = rows.collect_schema()
    check_expressions(features, schema)
    used = rows.select(columns_used(features) or list(schema)[:1]).collect()
    fitted = fit_features(features, used)
    derived = fitted.transform(used).select(list(features.derive))
    kinds = {**schema, **derived.schema}
    used_up = {name for name in names_used(features) if name in kinds and kinds[name].is_temporal()}
    names = [name for name in (*schema, *features.derive) if name not in used_up and name not in not_inputs]
    whole = pl.concat([rows, derived.lazy()], how="horizontal") if features.derive else rows
    preprocessor = fit_preprocessor(preprocess, whole, names, targets, allow_empty=allow_empty)
    types = {name: str(kind) for name, kind in schema.items() if name in names or name in fitted.columns}
    gaps = rows.select(pl.col(list(types)).has_nulls()).collect(engine="streaming")
    optional = frozenset(name for name in types if gaps[name].item())
    return TabularPreparation(types, fitted, preprocessor, optional)


@dataclass(frozen=True)
class FittedPipeline:
    """From raw rows to predictions."""

    parameters: ClassVar[Mapping[str, Any]] = {}
    """Parameters that a caller may give beside the rows, with their defaults."""
    preparation: Preparation
    estimator: Any
    classes: tuple[Any, ...] = ()
    """The target's values in the order of the estimator's class codes; empty for regression."""
    positive: Any = None
    cut_off: float | None = None
    """Probability from which a row counts as positive (binary classification)."""

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Predictions for raw rows: `prediction` and, for classifiers, `probability`.

        Of two classes that is the probability of the positive one. With three and more it is that of the predicted
        class, and `probability_<class>` columns hold all of them.
        """
        import polars as pl

        return pl.DataFrame(self.answers(frame))

    def answers(self, frame: pl.DataFrame, **given: Any) -> dict[str, np.ndarray]:  # noqa: ARG002  (it has no parameters)
        """The columns that `predict` gives, each (n,): labels as they are in the target, texts as objects."""
        numbers = self.preparation.transform(frame)
        if not self.classes:
            return {"prediction": self.estimator.predict(numbers).astype(float)}
        shares = self.estimator.predict_proba(numbers).astype(float)
        return self._two_classes(shares) if self.positive is not None else self._many_classes(shares)

    def predict_in_batches(self, rows: ChosenRows) -> pl.DataFrame:
        """Predictions for raw rows of a table, of which a batch at a time is held in memory."""
        import polars as pl

        if not rows.height:
            raise DataValidationError("there are no rows to predict")
        return pl.concat(self.predict(batch) for batch in rows.batches())

    def _two_classes(self, shares: np.ndarray) -> dict[str, np.ndarray]:
        import numpy as np

        code = self.classes.index(self.positive)
        probability = shares[:, code]
        cut_off = DEFAULT_CUT_OFF if self.cut_off is None else self.cut_off
        codes = np.where(probability >= cut_off, code, 1 - code)
        return {"prediction": self._labels[codes], "probability": probability}

    def _many_classes(self, shares: np.ndarray) -> dict[str, np.ndarray]:
        columns = {f"probability_{as_label(label)}": shares[:, code] for code, label in enumerate(self.classes)}
        best = {"prediction": self._labels[shares.argmax(axis=1)], "probability": shares.max(axis=1)}
        return {**best, **columns}

    @property
    def _labels(self) -> np.ndarray:
        import numpy as np

        return np.array(self.classes, dtype=object if isinstance(self.classes[0], str) else None)


def as_declared(frame: pl.DataFrame, types: dict[str, str], optional: Collection[str] = ()) -> pl.DataFrame:
    """The declared columns of a frame, in order, cast to the types seen in training; missing ones where optional.

    Zoned timestamps become the same instants in UTC, as they did in training.
    Raises DataValidationError naming columns that are missing, or values that do not fit.
    """
    import polars as pl

    absent = [name for name in types if name not in frame.columns]
    if needed := [name for name in absent if name not in optional]:
        raise DataValidationError(f"columns missing from the rows to predict: {', '.join(needed)}")
    wanted = [(name, dtype_named(text)) for name, text in types.items()]
    if absent:
        frame = frame.with_columns(pl.lit(None).alias(name) for name in absent)
    if zoned := [name for name, kind in frame.schema.items() if getattr(kind, "time_zone", None)]:
        frame = frame.with_columns(pl.col(zoned).dt.convert_time_zone("UTC").dt.replace_time_zone(None))
    given = frame.schema
    if list(given.items()) == wanted:
        return frame
    try:
        return frame.select(pl.col(name).cast(kind) for name, kind in wanted)
    except pl.exceptions.PolarsError as error:
        raise DataValidationError(f"the rows to predict do not have the types of the training rows: {error}") from error


def dtype_named(text: str) -> pl.DataType | type[pl.DataType]:
    """The Polars type of a column from its name in a record, such as `Int64` or `Datetime(time_unit=…)`."""
    import polars as pl

    name = text.split("(", maxsplit=1)[0]
    kind: type[pl.DataType] | None = getattr(pl, name, None)
    if kind is None:
        raise DataValidationError(f"the column type {text!r} is not known to Polars {pl.__version__}")
    return kind
