"""A look at a version whose registered fit was not judged itself."""

from __future__ import annotations

from typing import Any, cast

import polars as pl

from tests.world import quick_churn
from trainer.monitoring.look import Evidence, _answers
from trainer.monitoring.version import FITTED_AGAIN, WatchedVersion


def test_a_version_that_was_fitted_on_everything_has_no_estimate() -> None:
    pipeline = quick_churn().model_copy(update={"refit": "everything"})
    nothing = pl.DataFrame()
    version = WatchedVersion(cast("Any", None), pipeline, nothing, pl.Series(["x"]))
    evidence = Evidence(cast("Any", None), pipeline, version, nothing.lazy(), [], None, "", nothing)
    fresh = pl.DataFrame({"id": ["a"], "probability": [0.5]})
    assert _answers(evidence, fresh) == {"no_answers": FITTED_AGAIN, "no_estimate": FITTED_AGAIN}
