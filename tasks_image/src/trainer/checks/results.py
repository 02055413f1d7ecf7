"""What Great Expectations found, as the pipeline's own records."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from trainer.run.records import CheckResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainer.pipeline import Check

EXAMPLES = 5
LONGEST_LIMIT = 150
COLUMN_KEYS = ("column", "column_A", "column_B")


def columns_of(check: Check) -> list[str]:
    """The columns whose values a check looks at."""
    listed = [] if check.check.startswith("expect_table_") else check.kwargs.get("column_list", [])
    return [*(check.kwargs[key] for key in COLUMN_KEYS if key in check.kwargs), *listed]


def plain(value: Any) -> Any:
    """A value as JSON knows it: NumPy's scalars as Python's, what is not finite as text."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    if hasattr(value, "item"):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def absent_result(check: Check, absent: list[str], present: list[str]) -> CheckResult:
    """A check of columns that are not there: critical, whatever it declares."""
    named = ", ".join(repr(column) for column in absent)
    what = "column" if len(absent) == 1 else "columns"
    where = "the data" if check.of == "rows" else "what is known about the source"
    return CheckResult(
        check=check.check, column=", ".join(columns_of(check)), dimension=check.dimension, severity="critical",
        passed=False, unexpected=0, share=0.0,
        message=f"{what} {named} {'is' if len(absent) == 1 else 'are'} not in {where}; columns: {', '.join(present)}",
    )  # fmt: skip


def check_result(check: Check, found: dict[str, Any]) -> CheckResult:
    """A check's record from Great Expectations' own (as JSON)."""
    details = found["result"]
    raised = _raised(found["exception_info"])
    return CheckResult(
        check=check.check, column=", ".join(columns_of(check)), dimension=check.dimension, severity=check.severity,
        passed=bool(found["success"]) and not raised,
        unexpected=int(details.get("unexpected_count") or 0),
        share=float(details.get("unexpected_percent") or 0.0) / 100,
        examples=_examples(details),
        observed=_observed(details),
        message=f"it could not be evaluated: {raised}" if raised else _expected(check),
    )  # fmt: skip


def _examples(details: dict[str, Any]) -> list[Any]:
    """Up to five unexpected values that differ; of values that are missing, the rows' numbers, from 1."""
    values = list({repr(value): value for value in details.get("partial_unexpected_list") or []}.values())
    if values == [None]:
        return [f"row {index + 1}" for index in details.get("partial_unexpected_index_list", [])[:EXAMPLES]]
    return values[:EXAMPLES]


def _observed(details: dict[str, Any]) -> Any:
    """The figure; of distributions the shares, for an infinite divergence has no figure."""
    figure = details.get("observed_value")
    partition = (details.get("details") or {}).get("observed_partition")
    if not isinstance(partition, dict) or "values" not in partition:
        return figure
    shares = dict(zip(map(str, partition["values"]), partition["weights"], strict=True))
    return {"divergence": "infinite" if figure is None else figure, **shares}


def _raised(info: dict[str, Any]) -> str:
    """Messages of what was raised: Great Expectations gives one record, or one for each of its metrics."""
    records: Iterable[dict[str, Any]] = [info] if "raised_exception" in info else info.values()
    return "; ".join(dict.fromkeys(str(one["exception_message"]) for one in records if one["raised_exception"]))


def _expected(check: Check) -> str:
    limits = {key: value for key, value in check.kwargs.items() if key not in (*COLUMN_KEYS, "column_list")}
    texts = [textwrap.shorten(f"{key} {value}", LONGEST_LIMIT, placeholder="…") for key, value in limits.items()]
    return f"expected {', '.join(texts)}" if texts else ""
