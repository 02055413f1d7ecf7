"""Failed checks of data as lines for a person."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.reports.page import count_text, share_text, value_text

if TYPE_CHECKING:
    from trainer.run.records import CheckResult

logger = logging.getLogger(__name__)


def refuse_or_warn(failed: list[CheckResult], checks: int, source: str, remedy: str) -> None:
    """Log failed checks of severity `warning`; raise DataValidationError, which ends with `remedy`, for critical ones.

    :param checks: how many checks were made
    """
    critical = [result for result in failed if result.severity == "critical"]
    for result in failed:
        if result not in critical:
            logger.warning("%s: %s", source, _line(result))
    if critical:
        lines = [f"{source}: {len(critical)} of {checks} checks failed and are critical"]
        lines += [f"- {_line(result)}" for result in critical]
        lines.append(remedy)
        raise DataValidationError("\n".join(lines))


def _line(result: CheckResult) -> str:
    """A failed check in one line: column, count, share, examples, and what was expected."""
    parts = [f"{result.check}({result.column})"]
    if result.unexpected:
        noun, verb = ("value", "breaks") if result.unexpected == 1 else ("values", "break")
        parts.append(f"{count_text(result.unexpected)} {noun} ({share_text(result.share)}) {verb} it")
    if result.examples:
        parts.append(f"such as {', '.join(map(value_text, result.examples))}")
    if result.observed is not None:
        parts.append(f"found {value_text(result.observed)}")
    if result.message:
        parts.append(result.message)
    return f"{parts[0]}: {'; '.join(parts[1:]) or 'failed'}".replace("\n", " ")
