"""`make cluster-up` and `cluster-down`: `python -m include.cluster COMMAND`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from include.cluster.forwards import read_ports
from include.cluster.programs import Programs
from include.cluster.up import down, up
from include.stack.docker import StackError

PROJECT = Path(__file__).resolve().parents[2]
REFUSED, INTERRUPTED = 2, 130


def main(arguments: list[str] | None = None, programs: Programs | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="include.cluster", description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--mlflow-port", default="5000")
    parser.add_argument("--s3-port", default="8333")
    chosen = parser.parse_args(arguments)
    programs = programs or Programs(PROJECT)
    try:
        if chosen.command == "up":
            up(programs, read_ports({"mlflow": chosen.mlflow_port, "s3": chosen.s3_port}))
        else:
            down(programs)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
