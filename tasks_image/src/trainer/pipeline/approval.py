"""The part of a pipeline that says when a person has to approve."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from trainer.pipeline.spec import Spec

MOST_HOURS = 87_600
"""Ten years; a time after the year 9999 cannot be computed."""
MOST_MINUTES = 525_600
"""A year."""

When = Literal["never", "borderline", "always"]


class Approval(Spec):
    """When a person decides: before production moves, and before a run begins."""

    when: When = "never"
    """The decisions to promote to production that a person has to approve. `borderline`: those with drifted data, with
    a segment whose loss may be above its limit, or with a gain that is barely above `min_gain` (with
    `rule: not_worse`: a lower bound that is barely above minus the margin)."""
    start: bool = False
    """True: a person has to approve each run before it begins."""
    assignees: list[Annotated[str, StringConstraints(min_length=1, max_length=250)]] = []
    """Ids of the only users who may answer; empty: all who may edit the DAG's runs. With Airflow's simple auth manager
    an id is the user name, with FAB the user's number."""
    timeout_hours: Annotated[float, Field(gt=0, le=MOST_HOURS)] | None = 72
    """Hours until a request that nobody has answered ends; null: it waits for ever."""
    on_timeout: Literal["keep", "refuse"] = "keep"
    """The consequence of no answer. `keep`: production stays, and the run succeeds. `refuse`: the run fails. A run that
    waits for its beginning fails in both cases."""
    queued_minutes: Annotated[float, Field(gt=0, le=MOST_MINUTES)] = 10
    """Minutes in the queue after which a run is mailed about that cannot start, since an earlier run of the pipeline
    waits for an answer."""
