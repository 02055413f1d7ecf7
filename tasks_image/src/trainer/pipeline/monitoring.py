"""The part of a pipeline that says how its scored rows are watched, and where their labels come from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from trainer.pipeline.scoring import CRON
from trainer.pipeline.sources import AnySource
from trainer.pipeline.spec import Spec

READING = ("rename", "types", "dates")
"""The keys that `monitoring.labels` takes from `source`, for the id and the target, if it has none of its own."""


class Monitoring(Spec):
    """Monitoring of scored rows: the DAG `<name>_monitoring`."""

    schedule: Annotated[str, StringConstraints(pattern=CRON)] | None = None
    """Five cron fields or a preset such as `@weekly`; null: only by hand."""
    labels: AnySource | None = None
    """True values of the target, by id: `columns.id` and `columns.target` are read, other columns are ignored. They may
    arrive late, and stay there. Null: only drift and estimates. What it does not say of `rename`, `types` and `dates`
    of these two columns, and of `missing`, is as in the pipeline's `source`."""
    days: Annotated[int, Field(ge=1, le=3650)] = 90
    """How long after scoring a row may get its label; rows that were scored earlier are not looked at any more."""
    min_rows: Annotated[int, Field(ge=10)] = 100
    """Labelled rows, or rows with an answer, of which a performance is computed; with fewer a look only counts them."""


def with_inherited_reading(document: dict[str, Any]) -> dict[str, Any]:
    """Return a pipeline's document in which `monitoring.labels` reads its two columns as `source` does.

    >>> whole = {"source": {"missing": ["?"]}, "columns": {}, "monitoring": {"labels": {"KIND": "csv"}}}
    >>> with_inherited_reading(whole)["monitoring"]["labels"]
    {'KIND': 'csv', 'missing': ['?']}
    """
    monitoring, source, columns = (document.get(name) for name in ("monitoring", "source", "columns"))
    if not isinstance(monitoring, dict) or not isinstance(source, dict) or not isinstance(columns, dict):
        return document
    own = monitoring.get("labels")
    if not isinstance(own, dict):
        return document
    wanted = {columns.get("id"), columns.get("target")}
    given = {name: _only(source[name], wanted) for name in READING if name in source and name not in own}
    if "missing" in source and "missing" not in own:
        given["missing"] = source["missing"]
    return {**document, "monitoring": {**monitoring, "labels": {**own, **given}}}


def _only(value: Any, wanted: set[Any]) -> Any:
    """Return of a mapping what it says of some columns, which stand there as key or as new name."""
    if not isinstance(value, dict):
        return value
    return {name: said for name, said in value.items() if name in wanted or (isinstance(said, str) and said in wanted)}
