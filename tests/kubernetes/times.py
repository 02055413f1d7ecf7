"""Times as Kubernetes writes them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime


def now() -> str:
    """Whole seconds, as in an object's metadata."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro(nanoseconds: int | None = None) -> str:
    """Microseconds, as in an event's `eventTime`."""
    return nano(nanoseconds)[:-4] + "Z"


def nano(nanoseconds: int | None = None) -> str:
    """RFC 3339 with nanoseconds, as before each line of a log."""
    whole, rest = divmod(time.time_ns() if nanoseconds is None else nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def parsed(text: str) -> int:
    """Nanoseconds since the epoch, exact, of a text of any of these forms. Raises ValueError."""
    whole = datetime.fromisoformat(text).replace(microsecond=0)
    fraction = re.search(r"\.(\d{1,9})", text)
    return int(whole.timestamp()) * 10**9 + int((fraction[1] if fraction else "").ljust(9, "0"))
