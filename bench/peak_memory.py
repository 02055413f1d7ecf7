"""`python -S peak_memory.py RECORD COMMAND …`: run a command, then write its exit code and its peak memory as JSON.

The kernel counts the peak of a new process from what the process held that started it; this one holds hardly anything.
"""

from __future__ import annotations

import json
import os
import sys


def main(record: str, command: list[str]) -> int:
    """Return the command's exit code; `record` gets it too, and the peak of its resident memory in bytes."""
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    code = os.waitstatus_to_exitcode(status)
    with open(record, "w", encoding="utf-8") as file:  # noqa: PTH123  (pathlib would be held, too)
        json.dump({"exit_code": code, "peak_bytes": usage.ru_maxrss * 1024}, file)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
