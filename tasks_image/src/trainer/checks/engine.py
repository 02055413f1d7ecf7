"""Great Expectations' engine for Pandas, made frugal: a metric gets the columns that it looks at, and a text only once.

Which metrics there are and what they find stays Great Expectations' own: what follows from a value alone it computes
on the values that differ, and each row gets what its value got.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from great_expectations.core.batch import BatchData
from great_expectations.exceptions import MetricResolutionError
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.execution_engine.pandas_batch_data import PandasBatchData

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

BATCH = "rows"
BY_VALUE = {
    f"column_values.{name}.condition"
    for name in (
        "between", "in_set", "not_in_set", "match_regex", "not_match_regex", "match_regex_list",
        "not_match_regex_list", "match_strftime_format", "dateutil_parseable", "json_parseable", "match_json_schema",
    )
} | {"column_values.value_length.map"}  # fmt: skip
"""Metrics that look at one value after the other, missing ones left out."""
PICKED = (".unexpected_values", ".unexpected_index_list")
"""Metrics that pick the rows that another has found."""
WHERE = (*PICKED, "nonnull.condition", "unique.condition", "table.column_types", "table.columns", "table.row_count")
"""Metrics that find, pick or count rows, for which a category does as well as its text."""


OF_NUMBERS = {"column.mean": "mean", "column.standard_deviation": "std"}
"""Metrics for which Great Expectations looks among all numbers for one that is a decimal; NumPy's types hold none."""


class _Rows(PandasBatchData):  # type: ignore[misc]
    """What the engine takes its rows from."""

    def __init__(self, engine: FrugalPandasEngine) -> None:
        BatchData.__init__(self, engine)

    @property
    def dataframe(self) -> pd.DataFrame:
        """The rows that are wanted at the moment."""
        frame: pd.DataFrame = self.execution_engine.frame
        return frame


class FrugalPandasEngine(PandasExecutionEngine):  # type: ignore[misc]
    """The engine over one frame (n rows) whose repeated texts are categories."""

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__()
        self.load_batch_data(BATCH, _Rows(self))
        self._frame = frame
        self._given: pd.DataFrame | None = None
        self._asked_of: dict[str, Any] = {}
        self._as_categories = False

    def resolve_metrics(
        self, metrics_to_resolve: Iterable[Any], metrics: Any = None, runtime_configuration: Any = None
    ) -> dict[Any, Any]:
        """The values of metrics by their ids, as the engine for Pandas finds them."""
        found: dict[Any, Any] = {}
        for wanted in metrics_to_resolve:
            try:
                found[wanted.id] = self._resolved(wanted, metrics, runtime_configuration)
            except MetricResolutionError:
                raise
            except Exception as error:  # of a metric that cannot be had, as the engine for Pandas tells it
                raise MetricResolutionError(message=str(error), failed_metrics=(wanted,)) from error
        return found

    def _resolved(self, wanted: Any, metrics: Any, runtime_configuration: Any) -> Any:
        self._asked_of = wanted.metric_domain_kwargs
        self._as_categories = wanted.metric_name.endswith(WHERE)
        if wanted.metric_name.endswith(PICKED) and not _is_any_unexpected(wanted, metrics):
            return []
        if (numbers := self._numbers(wanted)) is not None:
            return getattr(numbers, OF_NUMBERS[wanted.metric_name])()
        if (values := self._differing(wanted)) is not None:
            return self._by_value(wanted, values, metrics, runtime_configuration)
        return super().resolve_metrics([wanted], metrics, runtime_configuration)[wanted.id]

    @property
    def frame(self) -> pd.DataFrame:
        """The rows, with the columns that the metric at hand is of; all columns where it is of all or of some rows."""
        if self._given is not None:
            return self._given
        asked = self._asked_of
        names = [asked[key] for key in ("column", "column_A", "column_B") if key in asked]
        names += asked.get("column_list", [])
        if not names or asked.get("row_condition") is not None:
            names = list(self._frame)
        return _narrow(self._frame, names, as_categories=self._as_categories)

    def _numbers(self, wanted: Any) -> pd.Series | None:
        """The column of numbers that a metric of numbers is of."""
        column = self._column(wanted) if wanted.metric_name in OF_NUMBERS else None
        return column if column is not None and column.dtype.kind in "iuf" else None

    def _differing(self, wanted: Any) -> pd.Categorical | None:
        """The categories of the column that a metric looks at value by value; None where it has to see all rows."""
        column = self._column(wanted) if wanted.metric_name in BY_VALUE else None
        return column.array if column is not None and column.dtype == "category" else None

    def _column(self, wanted: Any) -> pd.Series | None:
        """The whole column that a metric is of, if it is of one."""
        domain = wanted.metric_domain_kwargs
        name = domain.get("column")
        return self._frame[name] if name in self._frame and domain.get("row_condition") is None else None

    def _by_value(self, wanted: Any, values: pd.Categorical, metrics: Any, runtime_configuration: Any) -> Any:
        import pandas as pd

        name = wanted.metric_domain_kwargs["column"]
        self._given = pd.DataFrame({name: values.categories.astype(object)})
        try:
            made = super().resolve_metrics([wanted], metrics, runtime_configuration)[wanted.id]
        finally:
            self._given = None
        found, *domains = made
        present = values.codes >= 0
        of_rows = pd.Series(found.to_numpy()[values.codes[present]], self._frame.index[present], name=name)
        return (of_rows, *domains)


def _is_any_unexpected(wanted: Any, metrics: dict[Any, Any]) -> bool:
    condition = metrics[wanted.metric_dependencies["unexpected_condition"].id][0]
    return bool(condition.any())


def _narrow(records: pd.DataFrame, names: list[str], *, as_categories: bool) -> pd.DataFrame:
    """Some columns, without a copy; texts as they are, or as categories."""
    import pandas as pd

    columns = {name: records[name] for name in names}
    for name, column in columns.items():
        if column.dtype == "category" and not as_categories:
            columns[name] = column.astype(object)
    return pd.DataFrame(columns, copy=False)
