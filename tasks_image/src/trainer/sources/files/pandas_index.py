"""Index columns in Parquet files that pandas has written; they number rows and are not data."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
"""The name that pandas gives an index without one; it survives where another program drops the metadata."""


def index_columns(file: Path) -> list[str]:
    """Return the index columns of a Parquet file, from pandas' metadata in its footer and by their reserved names.

    A `RangeIndex` has no column. Source: pandas' "Storing pandas DataFrame objects in Apache Parquet format".
    """
    import polars as pl

    columns = list(pl.read_parquet_schema(file))
    described = json.loads(pl.read_parquet_metadata(file).get("pandas") or "{}")
    named = {one for one in described.get("index_columns", []) if isinstance(one, str)}
    return [column for column in columns if column in named or UNNAMED_INDEX.fullmatch(column)]
