"""`make env`, `up`, `down`, `logs`, `seed` and `stack-check`: `python -m include.stack COMMAND`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from include.stack.check import stack_check
from include.stack.docker import Docker, StackError
from include.stack.env_file import create
from include.stack.up import up

PROJECT = Path(__file__).resolve().parents[2]
ANY_PROFILE = ("--profile", "seed")
COMMANDS = ("env", "up", "down", "logs", "seed", "check")
REFUSED, INTERRUPTED = 2, 130


def main(arguments: list[str] | None = None, docker: Docker | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="include.stack", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("service", nargs="?", default="", help="for logs: one service (default: all)")
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen.command, chosen.service, docker or Docker(PROJECT))
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(command: str, service: str, docker: Docker) -> int:
    if command == "env":
        return create(docker.project)
    if command == "up":
        up(docker)
        return 0
    if command == "check":
        stack_check(docker)
        return 0
    docker.check()
    if command == "down":
        return docker.stream(*ANY_PROFILE, "down", "--remove-orphans")
    if command == "seed":
        return docker.stream("run", "--rm", "--build", "seed")
    return docker.stream("logs", "--follow", "--tail", "100", *([service] if service else []))


if __name__ == "__main__":
    sys.exit(main())
