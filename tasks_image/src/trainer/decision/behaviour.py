"""Whether a model behaves as it is expected to when rows are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.decision.result import GateResult, figure_or_none, is_figure
from trainer.number_format import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.decision.result import Verdict
    from trainer.pipeline import Behaviour
    from trainer.run.records import Behaved

PREFIX = "behaviour: "


def behaviour_result(expected: Behaviour, found: Sequence[Behaved]) -> GateResult:
    """The result of one expectation; one that was not tried, or tried on no row, fails."""
    behaved = next((one for one in found if one.name == expected.name), None)
    value = None if behaved is None else _figure(expected, behaved)
    verdict, reason = _verdict(expected, behaved, value)
    # 0.0 - x, so that no tolerance reads as 0 and not as -0
    limit = 0.0 - expected.tolerance if expected.expect == "does_not_fall" else expected.tolerance
    return GateResult(
        name=f"{PREFIX}{expected.name}",
        value=figure_or_none(value),
        limit=limit,
        rows=behaved.rows if behaved else 0,
        kind="behaviour",
        verdict=verdict,
        reason=reason,
    )


def _figure(expected: Behaviour, behaved: Behaved) -> float:
    return behaved.largest_change if expected.expect == "unchanged" else behaved.mean_change


def _verdict(expected: Behaviour, behaved: Behaved | None, value: float | None) -> tuple[Verdict, str]:
    if behaved is None or behaved.rows == 0:
        return "failed", "no validation row was changed, so nothing is known of it"
    if value is None or not is_figure(value):
        return "failed", f"the change is {value}, which is no number to judge by"
    holds = {
        "unchanged": abs(value) <= expected.tolerance,
        "does_not_rise": value <= expected.tolerance,
        "does_not_fall": value >= -expected.tolerance,
    }[expected.expect]
    what = (
        f"largest change {number_text(value)}"
        if expected.expect == "unchanged"
        else f"mean change {number_text(value, '+')}"
    )
    wanted = expected.expect.replace("_", " ")
    found = f"{what} over {behaved.rows} rows, tolerance {expected.tolerance:g}"
    return ("passed" if holds else "failed"), f"expected: {wanted}; {found}"
