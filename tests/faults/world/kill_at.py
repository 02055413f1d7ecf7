"""`kill_at.py WHEN TARGET [--marker TEXT] [--count N] -- ARGUMENTS`: run `trainer ARGUMENTS`, killed at a chosen call.

TARGET is `module:Class.method` or `module:function`; the process group is killed by SIGKILL right `before` or `after`
the call, the Nth whose arguments hold TEXT. Nothing in the package knows of it.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import signal
import sys
from typing import Any

from trainer.__main__ import main


def arm(when: str, target: str, marker: str, count: int) -> None:
    """Replace the target by itself with a kill before or after it."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    original = getattr(owner, name)
    left = count

    @functools.wraps(original)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        hit = marker in f"{args} {kwargs}"
        left -= hit
        if hit and left == 0 and when == "before":
            os.killpg(0, signal.SIGKILL)
        result = original(*args, **kwargs)
        if hit and left == 0:
            os.killpg(0, signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("when", choices=("before", "after"))
    parser.add_argument("target")
    parser.add_argument("--marker", default="")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("arguments", nargs="+")
    given = parser.parse_args()
    arm(given.when, given.target, given.marker, given.count)
    sys.exit(main(given.arguments))
