"""Pipelines of the stack: churn from a table of PostgreSQL, and one whose data cannot be read."""

from __future__ import annotations

from typing import Any

from tests.world import QUICK, churn_document

ROWS = 1500


def churn_of_table(**sections: Any) -> dict[str, Any]:
    """Return the document of a quick churn pipeline that reads the table `customers`, scheduled as it ships."""
    types = churn_document()["source"]["types"]
    source = {"KIND": "postgres", "connection": "churn", "table": "customers", "types": types}
    return churn_document(**{**QUICK, "source": source, "behaviour": [], **sections})
