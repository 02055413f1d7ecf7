"""The base of all that tools return."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """The structured result of a tool."""

    model_config = ConfigDict(frozen=True)


def timestamp(milliseconds: object) -> str:
    """Return MLflow's time as ISO 8601, UTC; an empty string without one.

    >>> timestamp(1767225600000), timestamp(None)
    ('2026-01-01T00:00:00+00:00', '')
    """
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC).isoformat(timespec="seconds")
