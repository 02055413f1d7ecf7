"""`make serve`: a pipeline's router in this terminal, with the logins of this environment."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from include.environment.settings import (
    credentials,
    inherited_environment,
    load_settings,
    pipelines_folder,
    step_environment,
)
from trainer.errors import ConfigurationError
from trainer.pipeline import did_you_mean


def main() -> int:
    """Become `trainer serve`; returns an exit code only if that cannot start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipeline")
    parser.add_argument("--port", required=True)
    arguments = parser.parse_args()
    try:
        file = _file_of(arguments.pipeline)
        settings = load_settings()
        environment = {**inherited_environment(), **step_environment(settings), **credentials(settings)}
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    command = [str(Path(sys.executable).with_name("trainer")), "serve", "--config", str(file), "--port", arguments.port]
    return os.execve(command[0], command, environment)  # noqa: S606  (our own command)


def _file_of(pipeline: str) -> Path:
    file = pipelines_folder() / f"{pipeline}.yaml"
    if not file.is_file():
        known = [one.stem for one in pipelines_folder().glob("*.yaml")]
        raise ConfigurationError(f"PIPELINE: there is no pipeline {pipeline!r}{did_you_mean(pipeline, known)}")
    return file


if __name__ == "__main__":
    sys.exit(main())
