"""Rows as a request of MLflow's protocol."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def as_request(rows: pl.DataFrame) -> dict[str, Any]:
    """Return rows (n, raw columns) as JSON takes them: floats as they are, times as ISO 8601, bytes in base64.

    >>> import polars as pl
    >>> as_request(pl.DataFrame({"tenure": [1, None], "plan": ["basic", "full"]}))
    {'dataframe_split': {'columns': ['tenure', 'plan'], 'data': [[1, 'basic'], [None, 'full']]}}
    """
    data = [[_json(value) for value in row] for row in rows.iter_rows()]
    return {"dataframe_split": {"columns": rows.columns, "data": data}}


def as_text(rows: pl.DataFrame) -> str:
    """Return a request as the text that is sent."""
    return json.dumps(as_request(rows), allow_nan=False)


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else value.isoformat()
